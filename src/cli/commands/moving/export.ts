import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { access, constants, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createZstdCompress } from 'node:zlib'
import type { JobView } from '../../../ports/moving/jobs.ts'
import { sizeText } from '../../../util/human.ts'
import { INSTANT_MUST, parseInstant } from '../../../util/instant.ts'
import type { AdminClient } from '../../client/admin-client.ts'
import { STORE_OPTIONS } from '../../client/with-operations.ts'
import { withProcess } from '../../client/with-process.ts'
import { type Command, type OptionValue, UsageError } from '../../command.ts'
import { EXIT } from '../../exit-code.ts'
import { platformsGiven } from '../../images/platforms.ts'
import { type Bars, bars } from '../../output/bars.ts'

/** Milliseconds between two questions how far the process is. */
const ASK_EVERY = 500

/** `now`: monotonic milliseconds. */
export function exportImages(now: () => number): Command {
  return {
    synopsis: '<pattern>… -o FILE [--platform P]… [--referrers] [--since T] [--as-of T] [--json]',
    summary:
      'writes images to one archive that every engine loads; a FILE ending in .zst is compressed, - is a pipe',
    takes: [1, 100],
    options: {
      ...STORE_OPTIONS,
      output: {
        type: 'string',
        short: 'o',
        value: 'FILE',
        says: 'where the archive goes; .zst: compressed; -: the standard output',
      },
      platform: {
        type: 'string',
        multiple: true,
        value: 'P',
        says: 'only these platforms, such as linux/amd64; omitted: all',
      },
      referrers: { type: 'boolean', says: 'with signatures and whatever else refers to an image' },
      since: {
        type: 'string',
        value: 'T',
        says: 'without the layers of what was there then: 20261101 or 20261101t083000z, UTC',
      },
      'as-of': { type: 'string', value: 'T', says: 'what tags pointed to then' },
    },
    async run(invocation) {
      const { args, options } = invocation
      const file = options['output']?.toString()
      if (file === undefined || file === '') throw new UsageError('export needs -o FILE, or -o - for a pipe')
      if (file !== '-') await requireRoom(file)
      const query = new URLSearchParams()
      for (const pattern of args) query.append('pattern', pattern)
      for (const platform of platformsGiven(options['platform']) ?? []) query.append('platform', platform)
      if (options['referrers'] === true) query.set('referrers', 'true')
      for (const [option, key] of [
        ['since', 'since'],
        ['as-of', 'asOf'],
      ] as const) {
        const instant = instantGiven(option, options[option])
        if (instant !== undefined) query.set(key, instant)
      }
      return withProcess(async (process, { stdout, stderr }) => {
        const shown = bars(stderr, now)
        const archive = await preparing(process, shown, () => process.download(`export?${query}`))
        const isPipe = file === '-'
        const bytes = await written(archive, file, shown).finally(() => shown.end())
        const report = { file, bytes, archive: archive.bytes }
        if (options['json'] && !isPipe) stdout.write(`${JSON.stringify(report)}\n`)
        else (isPipe ? stderr : stdout).write(`wrote ${file}: ${sizeText(bytes)}\n`)
        return EXIT.done
      })(invocation)
    },
  }
}

/** Before anything is fetched for it. @throws Error when no file can have that name */
async function requireRoom(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  // The archive takes the place of what has its name: of /dev/null too.
  if (found !== undefined && !found.isFile())
    throw new Error(`cannot use ${file}: it is no regular file; -o - writes to the standard output`)
  await access(dirname(resolve(file)), constants.W_OK)
}

function instantGiven(name: string, option: OptionValue): string | undefined {
  if (option === undefined) return undefined
  const text = String(option)
  if (parseInstant(text) === undefined) throw new UsageError(`--${name} ${INSTANT_MUST}`)
  return text
}

/** Shows what the job says while it fetches what is missing. */
async function preparing<T>({ json }: AdminClient, shown: Bars, begin: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    json<{ jobs: JobView[] }>('GET', 'jobs').then(
      ({ jobs }) => {
        const job = jobs.find(({ kind, state }) => kind === 'export' && state === 'running')
        if (job !== undefined) shown.draw([{ text: job.said, done: 0, total: 0 }])
      },
      // The request itself fails too, and says why.
      () => {},
    )
  }, ASK_EVERY)
  try {
    return await begin()
  } finally {
    clearInterval(timer)
  }
}

/** Writes beside the file, and gives it its name when all is there. @returns how many bytes it has */
async function written(
  { bytes: total, body }: { readonly bytes: number; readonly body: AsyncIterable<Buffer> },
  file: string,
  shown: Bars,
): Promise<number> {
  const isPipe = file === '-'
  const partial = `${file}.part`
  const out: Writable | WriteStream = isPipe ? process.stdout : createWriteStream(partial)
  const compress = !isPipe && file.endsWith('.zst') ? createZstdCompress() : undefined
  compress?.pipe(out)
  const into = compress ?? out
  let read = 0
  try {
    const failed = once(into, 'error').then(([error]) => Promise.reject(error as Error))
    failed.catch(() => {})
    for await (const piece of body) {
      if (!into.write(piece)) await Promise.race([once(into, 'drain'), failed])
      read += piece.length
      shown.draw([{ text: file, done: read, total }])
    }
    if (read !== total)
      throw new Error(`the archive ended at ${read} of ${total} bytes: see the log of the process`)
    if (isPipe) return read
    into.end()
    await finished(out)
    await rename(partial, file)
    return (out as WriteStream).bytesWritten
  } catch (error) {
    if (!isPipe) {
      out.destroy()
      await rm(partial, { force: true })
    }
    throw endedEarly(error)
  }
}

function endedEarly(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EPIPE') return new Error('the pipe was closed before all was written', { cause: error })
  if (code?.startsWith('UND_ERR') !== true) return error
  return new Error('the process broke the archive off: `entrepot jobs` says why', { cause: error })
}
