import type { HappenedEvent } from '../../ports/insight/events.ts'
import { eventSentence } from './event-sentence.ts'

/** Events of one message at most. A person reads no more, and a machine sees by the ids that some are missing. */
const MOST = 100

/** The text of events as server-sent events. Each is written once, however many listeners get it. */
export class EventText {
  readonly #texts = new WeakMap<HappenedEvent, string>()

  /** The newest of these, which come oldest first. */
  of(events: readonly HappenedEvent[]): string {
    const shown = events.slice(-MOST)
    const left = events.length - shown.length
    return (
      (left === 0 ? '' : `: ${left} events are left out\n\n`) +
      shown.map((event) => this.#one(event)).join('')
    )
  }

  #one(event: HappenedEvent): string {
    const known = this.#texts.get(event)
    if (known !== undefined) return known
    const text = `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify({ ...event, text: eventSentence(event) })}\n\n`
    this.#texts.set(event, text)
    return text
  }
}
