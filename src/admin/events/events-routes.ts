import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { RunningTransfer } from '../../ports/insight/insight.ts'
import type { AdminEnv } from '../refuse.ts'
import { Broadcaster, type EventSource } from './broadcaster.ts'

export interface EventsRoutesOptions {
  readonly events: EventSource
  readonly transfers: () => readonly RunningTransfer[]
}

/** A listener costs a socket. */
const MOST_LISTENERS = 250

/**
 * `GET events` (server-sent events): `transfers` with the running downloads, each second while they change,
 * and every change of state by its type, at most 100 at a time. 200 listeners get both every two seconds.
 */
export function eventsRoutes({ events, transfers }: EventsRoutesOptions): Hono<AdminEnv> {
  const broadcaster = new Broadcaster({ events, transfers: () => JSON.stringify(transfers()) })

  return new Hono<AdminEnv>().get('/events', (c) => {
    if (broadcaster.count >= MOST_LISTENERS) return c.json({ error: 'too many listeners' }, 503)
    const { outgoing } = c.env
    const newest = events.since(0).at(-1)?.id ?? 0
    // It ends with its connection, so it needs no chunks: they make a third of what writing a message costs.
    outgoing.removeHeader('Transfer-Encoding')
    outgoing.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      Connection: 'close',
    })
    outgoing.write(': entrepot\n\n')
    broadcaster.add(outgoing, startOf(c.req.header('last-event-id'), newest))
    return RESPONSE_ALREADY_SENT
  })
}

/** The event after which a listener goes on. Ids begin anew with the process, and it has seen none of this one's. */
function startOf(lastId: string | undefined, newest: number): number {
  const last = Number(lastId)
  if (!Number.isSafeInteger(last) || last <= 0) return newest
  return last > newest ? 0 : last
}
