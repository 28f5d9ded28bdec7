import type { EventType, ObservedEvent } from './events.ts'

/** The part of pino that this room uses. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

type Line = readonly ['info' | 'warn', string]

/** What is not in the table needs no line: the access log tells it, or somebody asked for it. */
const LINES: Partial<Record<EventType, Line>> = {
  'upstream.down': ['warn', 'upstream gets no requests'],
  'upstream.up': ['warn', 'upstream is back'],
  'credentials.refused': ['warn', 'upstream refuses the credentials'],
  'credentials.accepted': ['warn', 'upstream accepts the credentials again'],
  'limit.low': ['warn', 'rate limit of upstream is nearly used up'],
  'limit.restored': ['info', 'rate limit of upstream has recovered'],
  'store.failing': ['warn', 'the store fails, pulls pass through'],
  'store.recovered': ['warn', 'the store works again'],
  'tag.moved': ['info', 'a tag has moved upstream'],
  quota: ['info', 'the store is full, the least recently used content is evicted'],
}

/** Writes one line for a change of state. */
export function eventLines(log: Log): (event: ObservedEvent) => void {
  return ({ id: _id, at: _at, ...event }) => {
    const [level, message] = LINES[event.type] ?? []
    if (level !== undefined) log[level](event, message!)
  }
}
