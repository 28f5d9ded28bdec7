import { Hono } from 'hono'
import type { Context } from 'hono'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HappenedEvent } from '../ports/events.ts'
import type { RunningTransfer } from '../ports/insight.ts'
import type { AdminEnv } from './refuse.ts'

export interface EventSource {
  /** What happened after this id, oldest first. */
  since(id: number): readonly HappenedEvent[]
}

export interface EventsRoutesOptions {
  readonly events: EventSource
  readonly transfers: () => readonly RunningTransfer[]
}

/** Milliseconds between two looks. */
const EVERY = 1_000
/** A listener costs a socket and a timer. */
const MOST_LISTENERS = 250
/** Looks without anything to say after which a comment keeps the connection alive. */
const QUIET_LOOKS = 20

/**
 * `GET events` (server-sent events): `transfers` with the running downloads, each second while there are any,
 * and every change of state by its type. A listener that does not read holds nothing but its own socket: what
 * is next is looked up when it has read what came before.
 */
export function eventsRoutes({ events, transfers }: EventsRoutesOptions): Hono<AdminEnv> {
  let listeners = 0
  let shared = { at: -Infinity, text: '[]' }

  /** All listeners of the same second get the same text. */
  const transfersText = (): string => {
    const now = performance.now()
    if (now - shared.at > EVERY / 2) shared = { at: now, text: JSON.stringify(transfers()) }
    return shared.text
  }

  async function* messages(from: number, left: AbortSignal): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder()
    let id = from
    let sent = ''
    let quiet = 0
    listeners += 1
    try {
      yield encoder.encode(': entrepot\n\n')
      while (!left.aborted) {
        let text = ''
        for (const event of events.since(id)) {
          id = event.id
          text += `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
        }
        const running = transfersText()
        if (running !== sent) text += `event: transfers\ndata: ${running}\n\n`
        sent = running
        quiet = text === '' ? quiet + 1 : 0
        if (quiet > QUIET_LOOKS) {
          quiet = 0
          text = ': still here\n\n'
        }
        if (text !== '') yield encoder.encode(text)
        await sleep(EVERY, undefined, { signal: left, ref: false }).catch(ignoreAbort)
      }
    } finally {
      listeners -= 1
    }
  }

  return new Hono<AdminEnv>().get('/events', (c: Context<AdminEnv>) => {
    if (listeners >= MOST_LISTENERS) return c.json({ error: 'too many listeners' }, 503)
    const leaving = new AbortController()
    c.env.outgoing.once('close', () => leaving.abort())
    const last = Number(c.req.header('last-event-id'))
    const from = Number.isSafeInteger(last) && last > 0 ? last : (events.since(0).at(-1)?.id ?? 0)
    return c.body(ReadableStream.from(messages(from, leaving.signal)), 200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
    })
  })
}

function ignoreAbort(error: unknown): void {
  if ((error as Error).name !== 'AbortError') throw error
}
