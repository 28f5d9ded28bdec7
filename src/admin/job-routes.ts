import { Hono } from 'hono'
import type { Context } from 'hono'
import type { JobKind, Jobs, RunningJob } from '../ports/moving/jobs.ts'
import { lineFeed } from '../util/async/line-feed.ts'
import { type AdminEnv, refuse } from './refuse.ts'

/** `GET jobs`: those that run and the last that have ended. `DELETE jobs/<id>` cancels one. */
export function jobRoutes(jobs: Pick<Jobs, 'list' | 'cancel'>): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/jobs', (c) => c.json({ jobs: jobs.list() }))
    .delete('/jobs/:id', (c) => {
      const { id } = c.req.param()
      c.set('target', id)
      if (!jobs.cancel(id)) refuse(404, 'no such job runs')
      return c.json({ id })
    })
}

/** Puts a line into the answer. A line of the same key that the client has not read yet is replaced. */
export type PutLine = (key: string, line: object) => void

export interface JobAnswerOptions {
  readonly jobs: Pick<Jobs, 'run'>
  readonly kind: JobKind
  readonly target: string
  /** Receives what the task throws, unless the client has left. */
  readonly failed: (error: unknown) => void
}

/** Milliseconds between two pieces of an answer. */
const PAUSE = 200

/**
 * Answers with the progress of a job, one JSON object a line. The last line has `isDone`, or is an `{error}`.
 * The job is cancelled when the client leaves.
 *
 * @param task its result is the last line
 */
export function jobAnswer(
  c: Context<AdminEnv>,
  { jobs, kind, target, failed }: JobAnswerOptions,
  task: (job: RunningJob, put: PutLine) => Promise<object>,
): Response {
  c.set('target', target)
  c.set('outcome', 'started')
  const leaving = new AbortController()
  const gone = new Error('the client has left')
  if (c.env.outgoing.destroyed) leaving.abort(gone)
  else c.env.outgoing.once('close', () => leaving.abort(gone))
  const feed = lineFeed<object>(PAUSE)
  const put: PutLine = (key, line) => feed.put(key, line)
  void jobs
    .run({ kind, target, signal: leaving.signal }, (job) => task(job, put))
    .then(
      (last) => feed.put('', { ...last, isDone: true }),
      (error: unknown) => {
        if (!leaving.signal.aborted && !isRefusal(error)) failed(error)
        feed.put('', { error: isRefusal(error) ? (error as Error).message : 'it failed, see the log' })
      },
    )
    .finally(() => feed.end())
  return c.body(ReadableStream.from(encoded(feed)), 200, { 'Content-Type': 'application/jsonl' })
}

/** Says all in its message. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error
}

async function* encoded(lines: AsyncIterable<object>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  for await (const line of lines) yield encoder.encode(`${JSON.stringify(line)}\n`)
}
