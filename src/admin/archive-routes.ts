import type { Context } from 'hono'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { isPlatformPattern, PLATFORM_MUST } from '../oci/platform.ts'
import type { ExportedArchive, ExportImages, ExportRequest, ImportArchive } from '../ports/moving/archive.ts'
import type { Jobs, RunningJob } from '../ports/moving/jobs.ts'
import { sizeText } from '../util/human.ts'
import { INSTANT_MUST, parseInstant } from '../util/instant.ts'
import { untilAborted } from '../util/async/until-aborted.ts'
import { withoutStalls } from '../util/async/without-stalls.ts'
import { refusedEarly, uploadOf } from './answer-early.ts'
import { type ParsePattern, patternOf } from './body.ts'
import { type AdminEnv, refuse } from './refuse.ts'

export interface ArchiveRoutesOptions {
  readonly exportImages: ExportImages
  readonly importArchive: ImportArchive
  readonly jobs: Pick<Jobs, 'run'>
  readonly parsePattern: ParsePattern
  readonly failed: (error: unknown) => void
}

const MOST_PATTERNS = 100
/** Milliseconds without a byte of an archive that is sent to us. */
const STALL = 60_000

/**
 * `GET export?pattern=&platform=&referrers=&since=&asOf=`: a tar, once all that is missing was fetched; 409
 * says what cannot be had. `POST import?as=`: takes a tar, which zstd or gzip may have compressed; 409 says
 * why it is refused.
 */
export function archiveRoutes(options: ArchiveRoutesOptions): Hono<AdminEnv> {
  const { exportImages, importArchive, jobs, parsePattern, failed } = options

  return new Hono<AdminEnv>()
    .get('/export', async (c) => {
      const request = requestIn(c, parsePattern)
      const target = request.patterns.map(({ text }) => text).join(' ')
      c.set('target', target)
      const leaving = leavingOf(c)
      const { promise: ready, resolve: begin, reject: refused } = Promise.withResolvers<ExportedArchive>()
      const { promise: written, ...end } = Promise.withResolvers<void>()
      written.catch(() => {})
      let job: RunningJob | undefined
      const run = jobs.run({ kind: 'export', target, signal: leaving }, async (running) => {
        job = running
        begin(await exportImages(request, running))
        // A reader that never begins, or stalls, must not outlive its client.
        await untilAborted(written, running.signal)
      })
      run.catch(refused)
      const archive = await answered(ready)
      c.set('outcome', `${archive.images} images, ${archive.bytes} bytes`)
      return c.body(ReadableStream.from(piecesOf(archive, job!, end)), 200, {
        'Content-Type': 'application/x-tar',
        'Content-Length': String(archive.bytes),
      })
    })
    .post('/import', async (c) => {
      const as = c.req.query('as')
      c.set('target', as ?? 'archive')
      const upload = uploadOf(c.env.incoming)
      const imported = answered(
        jobs.run({ kind: 'import', target: as ?? 'archive', signal: leavingOf(c) }, async (job) => {
          const bytes = withoutStalls(upload.bytes, STALL, job.signal)
          return await importArchive(bytes, { as }, job)
        }),
      )
      const report = await imported.catch((error: unknown) => {
        if (error instanceof HTTPException) return error
        // What was not read of the archive is in the way of another request.
        c.header('Connection', 'close')
        throw error
      })
      if (report instanceof HTTPException) return refusedEarly(c, report, upload)
      c.set('outcome', `${report.images.length} images, ${report.bytes} bytes added`)
      return c.json(report)
    })

  /** An Error that says all in its message is an answer; any other is a bug. */
  async function answered<T>(result: Promise<T>): Promise<T> {
    try {
      return await result
    } catch (error) {
      if (error instanceof Error && error.constructor === Error) refuse(409, error.message)
      failed(error)
      throw error
    }
  }
}

function leavingOf(c: Context<AdminEnv>): AbortSignal {
  const leaving = new AbortController()
  const gone = new Error('the client has left')
  if (c.env.outgoing.destroyed) leaving.abort(gone)
  else c.env.outgoing.once('close', () => leaving.abort(gone))
  return leaving.signal
}

async function* piecesOf(
  archive: ExportedArchive,
  { signal, say }: RunningJob,
  end: { resolve(): void; reject(error: unknown): void },
): AsyncGenerator<Uint8Array> {
  let sent = 0
  try {
    for await (const piece of archive.write()) {
      signal.throwIfAborted()
      sent += piece.length
      say(`${sizeText(sent)} of ${sizeText(archive.bytes)} written`)
      yield piece
    }
    end.resolve()
  } catch (error) {
    end.reject(error)
    throw error
  } finally {
    end.reject(new Error('the client has left'))
  }
}

function requestIn(c: Context<AdminEnv>, parse: ParsePattern): ExportRequest {
  const { referrers = 'false', since, asOf } = c.req.query()
  const { pattern = [], platform = [] } = c.req.queries()
  if (pattern.length === 0 || pattern.length > MOST_PATTERNS)
    refuse(400, `export takes 1 to ${MOST_PATTERNS} patterns`)
  if (platform.length > MOST_PATTERNS || !platform.every(isPlatformPattern))
    refuse(400, `platform ${PLATFORM_MUST}`)
  const instants = { since: instantOf('since', since), asOf: instantOf('asOf', asOf) }
  return {
    patterns: pattern.map((text) => patternOf(text, parse)),
    ...(platform.length > 0 && { platforms: platform }),
    referrers: referrers === 'true',
    ...instants,
  }
}

function instantOf(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : (parseInstant(text) ?? refuse(400, `${name} ${INSTANT_MUST}`))
}
