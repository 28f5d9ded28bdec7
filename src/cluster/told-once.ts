import type { HappenedEvent } from '../ports/insight/events.ts'
import type { Leases } from './leases.ts'

/** What every replica finds by itself, and what makes it the same: the fields of these types of events. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  'image.stored': ['image', 'digest'],
  'tag.moved': ['image', 'to'],
  'upstream.down': ['upstream', 'state'],
  'upstream.up': ['upstream'],
  'credentials.refused': ['upstream'],
  'credentials.accepted': ['upstream'],
  'limit.low': ['upstream'],
  'limit.restored': ['upstream'],
}

/** Milliseconds in which the same is told by one replica only. */
const TOLD_FOR = 60_000
/** Events that wait for the database. More are told by each replica. */
const MOST_WAITING = 1_000

/**
 * Passes on what happens, in its order: what several replicas find, from the first one only. Without the database
 * nobody knows who was the first, and each tells it, as when asking who was fails otherwise.
 */
export function toldOnce(
  { turn }: Pick<Leases, 'turn'>,
  tell: (event: HappenedEvent) => void,
  failed: (error: unknown) => void,
): (event: HappenedEvent) => void {
  const waiting: { readonly event: HappenedEvent; readonly key: string | undefined }[] = []

  async function tellAll(): Promise<void> {
    for (let first; (first = waiting[0]) !== undefined; waiting.shift()) {
      // The events behind this one wait for it, so that whatever fails must not end this.
      try {
        if (await isOurs(first.key)) tell(first.event)
      } catch (error) {
        failed(error)
      }
    }
  }

  async function isOurs(key: string | undefined): Promise<boolean> {
    if (key === undefined) return true
    try {
      return (await turn(key, TOLD_FOR)) ?? true
    } catch (error) {
      failed(error)
      return true
    }
  }

  return (event) => {
    const key = keyOf(event)
    if (waiting.length >= MOST_WAITING || (waiting.length === 0 && key === undefined)) return tell(event)
    if (waiting.push({ event, key }) === 1) void tellAll()
  }
}

function keyOf(event: HappenedEvent): string | undefined {
  const fields = event as unknown as Readonly<Record<string, unknown>>
  const key = SHARED[event.type]?.map((field) => String(fields[field])).join(' ')
  return key === undefined ? undefined : `event ${event.type} ${key}`
}
