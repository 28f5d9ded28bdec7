import type { ServerResponse } from 'node:http'
import { RegistryError } from '../oci/errors.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** Bytes of an answer that the kernel takes at once, more or less: nobody else waits for their memory. */
const SHORT = 64 * KiB
/** Bytes of longer answers in memory, of all clients, of one client, and of those that wait for room. */
const ROOM = 48 * MiB
const OF_ONE = 32 * MiB
const WAITING = 16 * MiB
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
  readonly outgoing: Pick<ServerResponse, 'destroyed' | 'destroy' | 'once' | 'off'>
}

/** Bytes that answers are sent from. */
interface Held {
  readonly memory: Memory
  readonly bytes: number
  readonly owner: string
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
   * Takes room for an answer until it is over, or has its client gone.
   *
   * @returns undefined when there is room, or none is needed; else when there is
   * @throws RegistryError TOOMANYREQUESTS when there is none, at once or later
   */
  admit(answer: Answer, body: Buffer | readonly Buffer[]): Promise<void> | undefined {
    const longest = Buffer.isBuffer(body) ? body : longestOf(body)
    const { buffer: memory, length: bytes } = longest
    if (bytes <= SHORT || answer.isHead || answer.outgoing.destroyed) return undefined
    if (this.#take(answer, memory, bytes)) return undefined
    this.#cutLate()
    if (this.#take(answer, memory, bytes)) return undefined
    return this.#wait(answer, memory, bytes)
  }

  #take(answer: Answer, memory: Memory, bytes: number): boolean {
    const known = this.#held.get(memory)
    if (known === undefined && !this.#hasRoom(answer.owner, bytes)) return false
    const held = known ?? { memory, bytes, owner: answer.owner, answers: new Map<Answer, number>() }
    if (known === undefined) {
      this.#held.set(memory, held)
      this.#bytes += bytes
    }
    held.answers.set(answer, this.#now() + GRACE + (bytes / LEAST_RATE) * 1000)
    answer.outgoing.once('close', () => this.#release(held, answer))
    return true
  }

  #hasRoom(owner: string, bytes: number): boolean {
    if (this.#bytes === 0) return true
    let own = 0
    for (const held of this.#held.values()) if (held.owner === owner) own += held.bytes
    return this.#bytes + bytes <= ROOM && (own === 0 || own + bytes <= OF_ONE)
  }

  #release(held: Held, answer: Answer): void {
    if (!held.answers.delete(answer) || held.answers.size > 0) return
    this.#held.delete(held.memory)
    this.#bytes -= held.bytes
    this.#admitWaiting()
  }

  /** Only what all of its clients are late with gives room back. */
  #cutLate(): void {
    const now = this.#now()
    for (const held of this.#held.values()) {
      const answers = [...held.answers]
      if (answers.some(([, lateAt]) => now < lateAt)) continue
      for (const [answer] of answers) {
        answer.outgoing.destroy()
        this.#release(held, answer)
      }
    }
  }

  #wait(answer: Answer, memory: Memory, bytes: number): Promise<void> {
    let waiting = bytes
    for (const one of this.#waiting) if (one.memory !== memory) waiting += one.bytes
    if (waiting > WAITING && this.#waiting.size > 0) throw tooMany()
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
      this.#cutLate()
      this.#lookAgain()
    }, AGAIN).unref()
  }
}

function longestOf(pieces: readonly Buffer[]): Buffer {
  return pieces.reduce((longest, piece) => (piece.length > longest.length ? piece : longest))
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', { reason: 'too many long answers are being sent at once' })
}
