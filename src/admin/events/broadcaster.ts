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

/** Milliseconds between two messages. */
const EVERY = 1_000
/** Messages without anything to say after which a comment keeps the connection alive. */
const QUIET = 20
/** Listeners that are written to between two turns of the event loop. */
const AT_ONCE = 25

/**
 * Sends what happens to all listeners, once a second. Those who have had the same get the same bytes, made
 * once. A listener that does not read is left alone until it has: it holds one message and its socket, and
 * gets then what is remembered of the rest.
 */
export class Broadcaster {
  readonly #options: BroadcasterOptions
  readonly #listeners = new Set<Listener>()
  readonly #text = new EventText()
  #timer: NodeJS.Timeout | undefined

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
    this.#timer ??= setInterval(() => this.#send([...this.#listeners], this.#messages()), EVERY).unref()
    this.#send([listener], this.#messages())
  }

  #send(listeners: readonly Listener[], messageFor: (listener: Listener) => Buffer | undefined): void {
    for (const listener of listeners.slice(0, AT_ONCE)) {
      const { outgoing } = listener
      if (outgoing.destroyed || outgoing.writableNeedDrain) continue
      const message = messageFor(listener)
      if (message !== undefined) outgoing.write(message)
    }
    const rest = listeners.slice(AT_ONCE)
    if (rest.length > 0) setImmediate(() => this.#send(rest, messageFor))
  }

  /** Makes the messages of one round. */
  #messages(): (listener: Listener) => Buffer | undefined {
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

const STILL_HERE = Buffer.from(': still here\n\n')
