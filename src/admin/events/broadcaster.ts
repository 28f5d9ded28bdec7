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

/** Milliseconds from one round to the next, unless it takes longer. A listener gets a message of each at most. */
const EVERY = 1_000
/** Rounds without anything to say after which a comment keeps the connection alive. */
const QUIET = 15
/**
 * Milliseconds from one message to the next. To write one keeps this thread busy for some 20 µs; all at once would
 * be 10 ms of each second, which one pull in a hundred would wait for. More than 100 listeners make a round longer
 * rather than the pause shorter: nobody reads faster, and 100 messages a second is what they cost at most.
 */
const PAUSE = 10

/**
 * Sends what happens to all listeners, once a second, to one after the other. Those who have had the same get the
 * same bytes, made once. A listener that does not read is left alone until it has: it holds one message and its
 * socket, and gets then what is remembered of the rest.
 */
export class Broadcaster {
  readonly #options: BroadcasterOptions
  readonly #listeners = new Set<Listener>()
  readonly #text = new EventText()
  /** Of the next message or round, while there are listeners. */
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
      clearTimeout(this.#timer)
      this.#timer = undefined
    })
    if (this.#timer === undefined) this.#wait(EVERY, () => this.#begin())
    write(listener, this.#messages())
  }

  #wait(milliseconds: number, next: () => void): void {
    this.#timer = setTimeout(next, milliseconds).unref()
  }

  #begin(): void {
    this.#send([...this.#listeners].values(), this.#messages(), EVERY)
  }

  /** Writes to the next of these listeners that there is a message for. `left`: milliseconds until the next round. */
  #send(listeners: Iterator<Listener>, messageFor: MessageFor, left: number): void {
    for (let next = listeners.next(); next.done !== true; next = listeners.next()) {
      if (!write(next.value, messageFor)) continue
      this.#wait(PAUSE, () => this.#send(listeners, messageFor, left - PAUSE))
      return
    }
    this.#wait(Math.max(0, left), () => this.#begin())
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

/** @returns whether there was something to write */
function write(listener: Listener, messageFor: MessageFor): boolean {
  const { outgoing } = listener
  if (outgoing.destroyed || outgoing.writableNeedDrain) return false
  const message = messageFor(listener)
  if (message !== undefined) outgoing.write(message)
  return message !== undefined
}

const STILL_HERE = Buffer.from(': still here\n\n')
