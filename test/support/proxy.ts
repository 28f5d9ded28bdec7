/** The whole proxy in this process, made from a configuration file as `main.ts` makes it. */
import { readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { stringify } from 'yaml'
import { loadConfig } from '../../src/config/load-config.ts'
import { entrepot } from '../../src/app.ts'
import { tempFolder } from './temp-folder.ts'

export interface Proxy extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly adminUrl: string
  readonly folder: string
  /** What was logged; requests too where that was asked for. */
  readonly log: readonly Record<string, unknown>[]
  /** Files of the store that this process has open, beyond the index. */
  openContent(): Promise<readonly string[]>
  /** Names of the folder of unfinished downloads. */
  ingest(): Promise<readonly string[]>
  stop(grace?: number): Promise<void>
}

export interface ProxyOptions {
  /** Of docker.io, the default upstream. */
  readonly upstream: { readonly url: string }
  /** Merged over the test's own, as in the file. */
  readonly config?: Record<string, unknown>
  /** Further keys of the upstream. */
  readonly upstreamConfig?: Record<string, unknown>
  /** An existing store's, instead of an empty one. */
  readonly folder?: string
  /** Of the process. */
  readonly env?: Record<string, string>
  /** Log requests. */
  readonly requests?: boolean
}

export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { upstream, config, upstreamConfig, folder, env = {}, requests } = options
  const temp = folder === undefined ? await tempFolder() : undefined
  const path = folder ?? temp!.path
  const file = join(path, 'proxy.config.yaml')
  const content = {
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    storage: { root: './data', minFree: 0 },
    publicUpstreams: false,
    upstreams: {
      'docker.io': {
        url: upstream.url,
        timeouts: { connect: '1s', headers: '2s', idle: '1s' },
        ...upstreamConfig,
      },
    },
    ...config,
  }
  await writeFile(file, stringify(content))
  const level = requests ? 'trace' : 'info'
  const log: Record<string, unknown>[] = []
  const sink = {
    write(line: string) {
      const entry = JSON.parse(line) as Record<string, unknown>
      if (requests || entry['msg'] !== 'request') log.push(entry)
    },
  }
  const running = await entrepot(await loadConfig({ file, env, required: true }), pino({ level }, sink), env)
  const data = join(path, 'data')
  let stopped: Promise<void> | undefined
  const stop = (grace = 0): Promise<void> => (stopped ??= running.stop({ delay: 0, grace }))

  return {
    port: running.registry.port,
    url: running.registry.url,
    adminUrl: running.admin?.url ?? '',
    folder: path,
    log,
    async openContent() {
      const open = await Promise.all(
        (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
      )
      return open.filter((name) => name.startsWith(data) && !name.includes('/index.sqlite'))
    },
    ingest: () => readdir(join(data, 'ingest')),
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      await temp?.[Symbol.asyncDispose]()
    },
  }
}
