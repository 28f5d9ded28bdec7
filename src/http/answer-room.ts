import type { ServerResponse } from 'node:http'
import { RegistryError } from '../oci/errors.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** Bytes of an answer that a socket takes at once, more or less, so that its memory is free again. */
const SHORT = 64 * KiB
/** Bytes that longer answers are sent from, of all clients and of one. */
const ROOM = 48 * MiB
const OF_ONE = 32 * MiB
/** Bytes beyond that for clients of which nothing is sent yet. */
const FOR_OTHERS = 16 * MiB
/** Bytes of those that wait for room, of all clients and of one. */
const WAITING = 16 * MiB
const WAITING_OF_ONE = 8 * MiB
/** Milliseconds that an answer waits for room, and in which it looks for some again. */
const LONGEST_WAIT = 10_000
const AGAIN = 500
/** An answer is late when it takes longer than so many milliseconds, and a second for each so many bytes. */
const GRACE = 10_000
const LEAST_RATE = 64 * KiB

type Memory = ArrayBufferLike

/** An answer, as far as it matters here. */
interface Answer {
  /** Who pays for it. */
  readonly owner: string
  readonly isHead: boolean
  /** Told why it was cut off. */
  failure?: unknown
  readonly outgoing: Pick<ServerResponse, 'destroyed' | 'destroy' | 'once' | 'off'>
}

/** Memory that answers are sent from. */
interface Held {
  readonly memory: Memory
  readonly bytes: number
  /** The answers, and when each is late, as `performance.now()`. */
  readonly answers: Map<Answer, number>
}

interface Waiting {
  readonly answer: Answer
  readonly memory: Memory
  readonly bytes: number
  readonly begin: (error?: RegistryError) => void
}

/**
 * The room for long answers that are sent from memory: manifests and lists. A client that asks for many and takes
 * none of them would otherwise fill the memory (SEC-71). Answers from the same memory take room once. When there is
 * none left, those that are late are cut off for those that wait.
 */
export class AnswerRoom {
  readonly #held = new Map<Memory, Held>()
  readonly #waiting = new Set<Waiting>()
  readonly #now: () => number
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  /** @param now milliseconds that never go back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * Takes room for an answer, until it has ended or its client has left.
   *
   * @returns undefined when there is room, or none is needed; else when there is
   * @throws RegistryError TOOMANYREQUESTS when there is none, at once or later
   */
  admit(answer: Answer, body: Buffer | readonly Buffer[]): Promise<void> | undefined {
    const longest = Buffer.isBuffer(body) ? body : longestOf(body)
    const { buffer: memory } = longest
    if (longest.length <= SHORT || answer.isHead || answer.outgoing.destroyed) return undefined
    // A page of a list keeps all of it. Shared memory is that of few texts, which have a bound of their own.
    const bytes = memory instanceof ArrayBuffer ? memory.byteLength : longest.length
    if (this.#take(answer, memory, bytes)) return undefined
    this.#cutLate(answer.owner, bytes)
    if (this.#take(answer, memory, bytes)) return undefined
    return this.#wait(answer, memory, bytes)
  }

  #take(answer: Answer, memory: Memory, bytes: number): boolean {
    const known = this.#held.get(memory)
    if (known === undefined && !this.#hasRoom(answer.owner, bytes)) return false
    const held = known ?? { memory, bytes, answers: new Map<Answer, number>() }
    if (known === undefined) {
      this.#held.set(memory, held)
      this.#bytes += bytes
    }
    held.answers.set(answer, this.#now() + GRACE + (bytes / LEAST_RATE) * 1000)
    answer.outgoing.once('close', () => this.#release(held, answer))
    return true
  }

  #hasRoom(owner: string, bytes: number): boolean {
    const own = this.#bytesOf(owner)
    const room = own === 0 ? ROOM + FOR_OTHERS : ROOM
    return this.#bytes === 0 || (this.#bytes + bytes <= room && !isTooMuch(own, bytes, OF_ONE))
  }

  /** Bytes whose first answer is the client's. */
  #bytesOf(owner: string): number {
    let own = 0
    for (const held of this.#held.values()) if (ownerOf(held) === owner) own += held.bytes
    return own
  }

  #release(held: Held, answer: Answer): void {
    if (!held.answers.delete(answer)) return
    if (held.answers.size === 0) {
      this.#held.delete(held.memory)
      this.#bytes -= held.bytes
    }
    this.#admitWaiting()
  }

  /**
   * Cuts off those that are late, of the client alone when it has too much itself. Only what all of its clients are
   * late with gives room back.
   */
  #cutLate(owner: string, bytes: number): void {
    const now = this.#now()
    const isOwn = isTooMuch(this.#bytesOf(owner), bytes, OF_ONE)
    for (const held of this.#held.values()) {
      if (isOwn && ownerOf(held) !== owner) continue
      const answers = [...held.answers]
      if (answers.some(([, lateAt]) => now < lateAt)) continue
      for (const [answer] of answers) {
        answer.failure ??= tooMany()
        answer.outgoing.destroy()
        this.#release(held, answer)
      }
    }
  }

  #wait(answer: Answer, memory: Memory, bytes: number): Promise<void> {
    const all = new Map([...this.#waiting].map((one) => [one.memory, one]))
    if (!all.has(memory)) {
      const waiting = sumOf([...all.values()])
      const own = sumOf([...all.values()].filter((one) => one.answer.owner === answer.owner))
      if (isTooMuch(waiting, bytes, WAITING) || isTooMuch(own, bytes, WAITING_OF_ONE)) throw tooMany()
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { outgoing } = answer
    const begin = (error?: RegistryError): void => {
      if (!this.#waiting.delete(one)) return
      clearTimeout(timer)
      outgoing.off('close', leave)
      if (error === undefined) resolve()
      else reject(error)
    }
    const one: Waiting = { answer, memory, bytes, begin }
    const leave = (): void => begin()
    const timer = setTimeout(() => begin(tooMany()), LONGEST_WAIT)
    outgoing.once('close', leave)
    this.#waiting.add(one)
    this.#lookAgain()
    return promise
  }

  #admitWaiting(): void {
    for (const { answer, memory, bytes, begin } of this.#waiting)
      if (this.#take(answer, memory, bytes)) begin()
  }

  #lookAgain(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      for (const { answer, bytes } of this.#waiting) this.#cutLate(answer.owner, bytes)
      this.#lookAgain()
    }, AGAIN).unref()
  }
}

function ownerOf({ answers }: Held): string | undefined {
  return answers.keys().next().value?.owner
}

/** One is never too much by itself. */
function isTooMuch(taken: number, bytes: number, most: number): boolean {
  return taken > 0 && taken + bytes > most
}

function sumOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { bytes }) => sum + bytes, 0)
}

function longestOf(pieces: readonly Buffer[]): Buffer {
  return pieces.reduce((longest, piece) => (piece.length > longest.length ? piece : longest))
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', { reason: 'too many long answers are being sent at once' })
}
