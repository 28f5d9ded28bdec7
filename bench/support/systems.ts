import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort, missing, type Program, run, start } from '../../test/e2e/support/processes.ts'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { BARE, OWN } from './report.ts'

export interface BenchUpstream extends AsyncDisposable {
  readonly url: string
  readonly large: string
  readonly small: string
  readonly manifest: string
  /** Of the large blob, in bytes. */
  readonly size: number
  /** Bytes of blobs sent, and requests for blobs, so far. */
  stats(): Promise<{ readonly sent: number; readonly gets: number }>
  /** As if killed; and, the second time, as if started again. */
  toggle(): void
}

/** `rate`: bytes per second and connection; 0 = as fast as it goes. */
export async function benchUpstream(mebibytes: number, rate = 0): Promise<BenchUpstream> {
  const script = fileURLToPath(new URL('upstream.ts', import.meta.url))
  const program = start(process.execPath, [script, String(mebibytes), String(rate)])
  const facts = await program.line((line) =>
    line.startsWith('{') ? (JSON.parse(line) as { port: number }) : undefined,
  )
  const url = `http://127.0.0.1:${facts.port}`
  return {
    ...(facts as unknown as BenchUpstream),
    url,
    toggle: () => program.kill('SIGUSR2'),
    stats: async () => (await fetch(`${url}/stats`)).json() as Promise<{ sent: number; gets: number }>,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

/** A cache under measurement. */
export interface System extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** CPU seconds that its processes have used. */
  cpu(): Promise<number>
  /** The most memory it has used, in MiB. */
  peak(): Promise<number>
}

/** Names of files in PEM. With them a system is served over HTTPS. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** In its default configuration: it logs each request, to a file as a service does. */
export async function entrepotSystem(
  folder: string,
  upstream: string,
  config: object = {},
  tls?: TlsFiles,
): Promise<System> {
  const listen = { host: '127.0.0.1', port: 0, ...(tls && { tls }) }
  await mkdir(folder, { recursive: true })
  const logFile = join(folder, 'log')
  const { authority, program } = await proxyProcess(folder, upstream, { listen, ...config }, { logFile })
  return systemOf(OWN, urlOf(authority, tls), program)
}

/** The same without the log of requests, which says so in its name. */
export async function entrepotWithoutLog(folder: string, upstream: string): Promise<System> {
  return { ...(await entrepotSystem(folder, upstream, { log: { access: false } })), name: `${OWN}, log off` }
}

/** Debian's docker-registry as a proxy, and nginx with proxy_cache, where they are installed. */
export async function peers(
  folder: string,
  upstream: string,
  tls?: TlsFiles,
  nginxWorkers = 2,
): Promise<System[]> {
  const made: System[] = []
  if (!missingHere('docker-registry')) {
    made.push(await dockerRegistry(join(folder, 'registry'), upstream, tls))
  }
  if (!missingHere('nginx')) made.push(await nginx(join(folder, 'nginx'), upstream, nginxWorkers, tls))
  return made
}

/** The answers of `url` for these paths from memory, over `node:http`: no peer, but what Node can do here. */
export async function bare(file: string, url: string, paths: readonly string[]): Promise<System> {
  const script = fileURLToPath(new URL('bare.ts', import.meta.url))
  const answers = await Promise.all(
    paths.map(async (path) => {
      const response = await fetch(url + path)
      const body = Buffer.from(await response.arrayBuffer()).toString('base64')
      return [path, { headers: Object.fromEntries(response.headers), body }]
    }),
  )
  await writeFile(file, JSON.stringify(Object.fromEntries(answers)))
  const program = start(process.execPath, [script, file])
  const { port } = await program.line((line) => JSON.parse(line) as { port: number })
  return systemOf(BARE, urlOf(`127.0.0.1:${port}`), program)
}

/** One file over `node:http`: no peer, but what Node can do here. */
export async function plain(file: string): Promise<System> {
  const script = fileURLToPath(new URL('plain.ts', import.meta.url))
  const program = start(process.execPath, [script, file])
  const { port } = await program.line((line) => JSON.parse(line) as { port: number })
  return systemOf(BARE, urlOf(`127.0.0.1:${port}`), program)
}

async function dockerRegistry(folder: string, upstream: string, tls?: TlsFiles): Promise<System> {
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  const config = join(folder, 'config.yml')
  const content = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: folder } },
    http: { addr: `127.0.0.1:${port}`, ...(tls && { tls: { certificate: tls.cert, key: tls.key } }) },
    proxy: { remoteurl: upstream },
  }
  await writeFile(config, JSON.stringify(content))
  const program = start('docker-registry', ['serve', config])
  return listening('docker-registry', urlOf(`127.0.0.1:${port}`, tls), program)
}

async function nginx(folder: string, upstream: string, workers: number, tls?: TlsFiles): Promise<System> {
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  const config = join(folder, 'nginx.conf')
  const listen = tls
    ? `${port} ssl; ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}; ssl_protocols TLSv1.3`
    : port
  await writeFile(
    config,
    `daemon off; user root; worker_processes ${workers}; error_log stderr; pid ${folder}/pid;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  proxy_cache_path ${folder}/cache keys_zone=c:10m max_size=10g; proxy_temp_path ${folder}/tmp; client_body_temp_path ${folder}/body;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server { listen 127.0.0.1:${listen}; location / {
    proxy_pass ${upstream}; proxy_cache c; proxy_cache_lock on; proxy_cache_valid 200 1h; proxy_max_temp_file_size 4096m; } }
}
`,
  )
  const program = start('nginx', ['-p', folder, '-c', config])
  return listening('nginx', urlOf(`127.0.0.1:${port}`, tls), program)
}

function urlOf(authority: string, tls?: TlsFiles): string {
  return `${tls ? 'https' : 'http'}://${authority}`
}

async function listening(name: string, url: string, program: Program): Promise<System> {
  for (const deadline = Date.now() + 15_000; ;) {
    // Not fetch, which would have to be told of the certificate.
    if ((await run('curl', ['-sk', '-o', '/dev/null', `${url}/v2/`])).code === 0) {
      return systemOf(name, url, program)
    }
    if (Date.now() > deadline) throw new Error(`${name} did not start\n${program.lines.join('\n')}`)
    await sleep(20)
  }
}

/** A running program as a system. */
export function systemOf(name: string, url: string, program: Program): System {
  return {
    name,
    url,
    async cpu() {
      const all = (await run('pgrep', ['-g', String(program.pid)])).stdout.split('\n').filter(Boolean)
      const times = await Promise.all(all.map(cpuOf))
      return times.reduce((a, b) => a + b, 0)
    },
    async peak() {
      const status = await readFile(`/proc/${program.pid}/status`, 'utf8')
      return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

async function cpuOf(pid: string): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export function missingHere(program: string): boolean {
  return missing(program) !== false
}
