import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Context } from 'hono'
import type { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { AdminEnv } from './refuse.ts'

/** Milliseconds that a client may go on sending what is not read any more. */
const LINGER = 30_000

/** What a client sends. It may be refused before all of it has come. */
export interface Upload {
  /** Leaving them early does not close the connection. */
  readonly bytes: ReadableStream<Uint8Array>
  /** Reads the rest, which nobody wants. */
  discard(): Promise<void>
}

export function uploadOf(incoming: IncomingMessage): Upload {
  const pieces = incoming.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>
  return {
    bytes: new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await pieces.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
    }),
    async discard() {
      while ((await pieces.next()).done !== true);
    },
  }
}

/**
 * The answer of a refusal while the client still sends. The connection stays open until the client has seen it
 * and stops: one that is cut off in the middle of sending tells its user that, and not the reason.
 */
export function refusedEarly(
  c: Context<AdminEnv>,
  { status, message }: HTTPException,
  upload: Upload,
): Response {
  const body = Buffer.from(JSON.stringify({ error: message }))
  // What a refusal leaves unread is in the way of another request.
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    Connection: 'close',
  }
  return c.body(ReadableStream.from(lingering()), status as ContentfulStatusCode, headers)

  async function* lingering(): AsyncGenerator<Uint8Array> {
    yield body
    const over = new AbortController()
    const late = delay(LINGER, undefined, { signal: over.signal, ref: false })
    // The client has left, which is what it is to do.
    await Promise.race([upload.discard(), late]).catch(() => {})
    over.abort()
    late.catch(() => {})
  }
}
