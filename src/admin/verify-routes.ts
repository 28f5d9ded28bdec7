import { Hono } from 'hono'
import { z } from 'zod'
import type { Verify } from '../ports/operations.ts'
import { bodyOf } from './body.ts'
import type { AdminEnv } from './refuse.ts'

/** Slow enough to leave most of a disk to pulls. */
const BYTES_PER_SECOND = 50 * 1024 * 1024

/**
 * `POST verify {bytesPerSecond}`: answers one JSON object a line, each a `VerificationStep`. The last line
 * has `isDone`, or is an `{error}`. Verification ends when the client leaves.
 */
export function verifyRoutes(verify: Verify, failed: (error: unknown) => void): Hono<AdminEnv> {
  return new Hono<AdminEnv>().post('/verify', async (c) => {
    const { bytesPerSecond } = await bodyOf(c, {
      bytesPerSecond: z.number().int().positive().default(BYTES_PER_SECOND),
    })
    c.set('target', 'the store')
    c.set('outcome', 'started')
    const leaving = new AbortController()
    c.env.outgoing.once('close', () => leaving.abort())
    const steps = lines(verify({ bytesPerSecond, signal: leaving.signal }), leaving.signal)
    return c.body(ReadableStream.from(steps), 200, { 'Content-Type': 'application/jsonl' })
  })

  async function* lines(steps: AsyncIterable<object>, left: AbortSignal): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder()
    const line = (value: object) => encoder.encode(`${JSON.stringify(value)}\n`)
    try {
      for await (const step of steps) yield line(step)
    } catch (error) {
      if (left.aborted) return
      failed(error)
      yield line({ error: 'verification failed, see the log' })
    }
  }
}
