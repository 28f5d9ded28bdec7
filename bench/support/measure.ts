import { fileURLToPath } from 'node:url'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { run, succeed } from '../../test/e2e/support/processes.ts'

/** For curl and wrk alike: whichever server is asked, it is TLS 1.3 with AES-128-GCM. */
const CLIENT = { OPENSSL_CONF: fileURLToPath(new URL('client.cnf', import.meta.url)) }

/** Pulls by curl, which costs little; to a file, or nowhere. @returns seconds @throws when a byte is missing */
export async function pull(url: string, to = '/dev/null'): Promise<number> {
  const format = '%{time_total} %{http_code}'
  const printed = await succeed('curl', ['-sSfk', '--http1.1', '-o', to, '-w', format, url], CLIENT)
  const [total = '', code] = printed.split(' ')
  if (code !== '200') throw new Error(`${url}: ${code}`)
  return Number(total)
}

/** What curl and a server agree on, `TLSv1.3 / TLS_AES_128_GCM_SHA256`. */
export async function cipherOf(url: string): Promise<string> {
  const { stderr } = await run('curl', ['-svk', '-o', '/dev/null', url], CLIENT)
  const [, cipher] = /SSL connection using (.+)/.exec(stderr) ?? []
  if (cipher === undefined) throw new Error(`${url}: no TLS\n${stderr}`)
  return cipher
}

/** Seconds that all of them took together. */
export async function pullMany(count: number, url: string): Promise<number> {
  const begun = performance.now()
  await Promise.all(Array.from({ length: count }, () => pull(url)))
  return (performance.now() - begun) / 1000
}

export interface Load {
  readonly requests: number
  readonly perSecond: number
  /** The 99th percentile of the answer times, in milliseconds. */
  readonly p99: number
}

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 }

/** docker-registry hides OCI manifests from clients that do not say so. */
const ACCEPT = `Accept: ${OCI_MANIFEST}, */*`

/** What wrk gets out of it with one thread. @throws when there were answers that are no success */
export async function load(url: string, connections: number, seconds: number): Promise<Load> {
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '--latency']
  const printed = await succeed('wrk', [...options, '-H', ACCEPT, url], CLIENT)
  if (/Non-2xx|Socket errors/.test(printed)) throw new Error(`${url}\n${printed}`)
  const [, value, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(printed) ?? []
  return {
    requests: Number(/(\d+) requests in/.exec(printed)?.[1]),
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
