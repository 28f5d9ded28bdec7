import type { ServerResponse } from 'node:http'
import type { HappenedEvent } from '../../ports/insight/events.ts'
import { EventText } from './event-text.ts'

export interface EventSource {
  /** What happened after this id, oldest first. */
  since(id: number): readonly HappenedEvent[]
}

export interface BroadcasterOptions {
  readonly events: EventSource
  /** The running downloads as JSON. Asked once for all listeners. */
  readonly transfers: () => string
}

interface Listener {
  readonly outgoing: ServerResponse
  /** Of the last event that it was sent. */
  id: number
  /** The running downloads that it was sent. */
  transfers: string
  quiet: number
}

/** Makes what a listener is sent now, if anything. */
type MessageFor = (listener: Listener) => Buffer | undefined

/** Milliseconds between two messages. */
const EVERY = 1_000
/** Messages without anything to say after which a comment keeps the connection alive. */
const QUIET = 20
/**
 * Listeners that are written to at once, and milliseconds until the next ones are. All at once would keep both
 * this thread and the kernel busy for 10 ms of each second, which one pull in a hundred would wait for.
 */
const AT_ONCE = 2
const PAUSE = 4

/**
 * Sends what happens to all listeners, once a second, to a few at a time. Those who have had the same get the
 * same bytes, made once. A listener that does not read is left alone until it has: it holds one message and its
 * socket, and gets then what is remembered of the rest.
 */
export class Broadcaster {
  readonly #options: BroadcasterOptions
  readonly #listeners = new Set<Listener>()
  readonly #text = new EventText()
  #timer: NodeJS.Timeout | undefined
  #isSending = false

  constructor(options: BroadcasterOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#listeners.size
  }

  /** Writes to `outgoing`, whose headers were sent, until it is closed. `id`: of the last event it had. */
  add(outgoing: ServerResponse, id: number): void {
    const listener: Listener = { outgoing, id, transfers: '[]', quiet: 0 }
    this.#listeners.add(listener)
    outgoing.once('close', () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    })
    this.#timer ??= setInterval(() => this.#begin(), EVERY).unref()
    write(listener, this.#messages())
  }

  #begin(): void {
    if (!this.#isSending) this.#send([...this.#listeners], this.#messages())
  }

  #send(listeners: readonly Listener[], messageFor: MessageFor): void {
    for (const listener of listeners.slice(0, AT_ONCE)) write(listener, messageFor)
    const rest = listeners.slice(AT_ONCE)
    this.#isSending = rest.length > 0
    if (this.#isSending) setTimeout(() => this.#send(rest, messageFor), PAUSE).unref()
  }

  /** Makes the messages of one round. */
  #messages(): MessageFor {
    const { events, transfers } = this.#options
    const running = transfers()
    const texts = new Map<number, { readonly text: string; readonly id: number }>()
    const made = new Map<string, Buffer>()

    const newsSince = (id: number) => {
      const known = texts.get(id)
      if (known !== undefined) return known
      const found = events.since(id)
      const news = { text: this.#text.of(found), id: found.at(-1)?.id ?? id }
      texts.set(id, news)
      return news
    }

    return (listener) => {
      const { text, id } = newsSince(listener.id)
      const hasTransfers = listener.transfers !== running
      const key = `${listener.id} ${hasTransfers}`
      listener.id = id
      listener.transfers = running
      listener.quiet = text === '' && !hasTransfers ? listener.quiet + 1 : 0
      if (listener.quiet > QUIET) {
        listener.quiet = 0
        return STILL_HERE
      }
      if (text === '' && !hasTransfers) return undefined
      const known = made.get(key)
      if (known !== undefined) return known
      const message = Buffer.from(text + (hasTransfers ? `event: transfers\ndata: ${running}\n\n` : ''))
      made.set(key, message)
      return message
    }
  }
}

function write(listener: Listener, messageFor: MessageFor): void {
  const { outgoing } = listener
  if (outgoing.destroyed || outgoing.writableNeedDrain) return
  const message = messageFor(listener)
  if (message !== undefined) outgoing.write(message)
}

const STILL_HERE = Buffer.from(': still here\n\n')
