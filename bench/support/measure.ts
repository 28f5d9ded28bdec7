import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { run, succeed } from '../../test/e2e/support/processes.ts'

/** Pulls by curl, which costs little; to a file, or nowhere. @returns seconds @throws when a byte is missing */
export async function pull(url: string, to = '/dev/null'): Promise<number> {
  const format = '%{time_total} %{http_code}'
  const printed = await succeed('curl', ['-sSf', '-o', to, '-w', format, url])
  const [total = '', code] = printed.split(' ')
  if (code !== '200') throw new Error(`${url}: ${code}`)
  return Number(total)
}

/** Seconds that all of them took together. */
export async function pullMany(count: number, url: string): Promise<number> {
  const begun = performance.now()
  await Promise.all(Array.from({ length: count }, () => pull(url)))
  return (performance.now() - begun) / 1000
}

export interface Load {
  readonly perSecond: number
  /** The 99th percentile of the answer times, in milliseconds. */
  readonly p99: number
}

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 }

/** docker-registry hides OCI manifests from clients that do not say so. */
const ACCEPT = `Accept: ${OCI_MANIFEST}, */*`

/** What wrk gets out of it with one thread. @throws when there were answers that are no success */
export async function load(url: string, connections: number, seconds: number): Promise<Load> {
  const printed = await succeed('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    '-H',
    ACCEPT,
    url,
  ])
  if (/Non-2xx|Socket errors/.test(printed)) throw new Error(`${url}\n${printed}`)
  const [, value, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(printed) ?? []
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(printed)?.[1]),
    p99: Number(value) * MILLISECONDS[unit ?? '']!,
  }
}

/**
 * Has the machine hand out this much memory once, for the page cache to use after: memory that a guest had given back to its host
 * costs seconds of CPU to get again, which is no figure of ours.
 */
export async function touchMemory(gibibytes: number): Promise<void> {
  const script = `for (let i = 0; i < ${gibibytes * 4}; i++) globalThis['b' + i] = Buffer.alloc(256 << 20, 1)`
  await run(process.execPath, ['-e', script])
}
