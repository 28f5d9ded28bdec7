import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { type Program, start } from './processes.ts'

export interface ProxyProcess extends AsyncDisposable {
  readonly program: Program
  readonly authority: string
  readonly url: string
  readonly adminUrl: string
  /** The most memory it has used so far, in MiB. */
  peakMemory(): Promise<number>
  /** Writes the configuration again, with `config` in place of what it was started with, and has it read. */
  reload(config: object): Promise<void>
  /** The downloads that are running. */
  transfers(): Promise<readonly { readonly filled: number }[]>
}

export interface ProxyProcessOptions {
  /** Gives it a disk of this size (`8m`), which nobody else sees and which goes with it. */
  readonly smallDisk?: { readonly at: string; readonly size: string }
  /** A module that its process loads first. */
  readonly preload?: string
  readonly env?: NodeJS.ProcessEnv
  /** Its log goes to this file, as a service's does. Without it, to a pipe. */
  readonly logFile?: string
  /** The log reaches `logFile` through a pipe, whose reader is in a process group of its own. */
  readonly logPipe?: boolean
}

const ROOT = new URL('../../..', import.meta.url)

/** Entrepot as a user starts it: a program with a configuration file, its store in `folder`. */
export async function proxyProcess(
  folder: string,
  upstreamUrl: string,
  config: object = {},
  { smallDisk, preload, env, logFile, logPipe = false }: ProxyProcessOptions = {},
): Promise<ProxyProcess> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'proxy.config.yaml')
  const contentOf = (config: object) => ({
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    storage: { root: './data', minFree: 0 },
    publicUpstreams: false,
    cache: { tags: [{ match: '.*', fresh: '1h' }] },
    upstreams: { 'docker.io': { url: upstreamUrl }, 'ghcr.io': { url: upstreamUrl } },
    defaultUpstream: 'docker.io',
    ...config,
  })
  await writeFile(file, stringify(contentOf(config)))
  const loading = preload === undefined ? [] : ['--import', preload]
  const command = [process.execPath, ...loading, ...(await startArguments()), '--config', file]
  const mount = smallDisk && `mount -t tmpfs -o size=${smallDisk.size} tmpfs ${smallDisk.at} && exec "$@"`
  await using starting = new AsyncDisposableStack()
  const inShell = (script: string) => start('sh', ['-c', script, 'sh', ...command], env)
  const program = starting.use(
    mount
      ? start('unshare', ['--mount', 'sh', '-c', mount, 'sh', ...command], env)
      : logFile !== undefined
        ? inShell(
            logPipe
              ? `mkfifo '${logFile}.pipe'; setsid cat <'${logFile}.pipe' >'${logFile}' & exec "$@" >'${logFile}.pipe'`
              : `exec "$@" >'${logFile}'`,
          )
        : start(command[0]!, command.slice(1), env),
  )
  const portOf = (listener: string) => {
    const portIn = (line: string) => {
      const entry = line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {}
      return entry['msg'] === 'listening' && entry['listener'] === listener
        ? Number(entry['port'])
        : undefined
    }
    return logFile === undefined ? program.line(portIn) : lineIn(logFile, program, portIn)
  }
  const authority = `127.0.0.1:${await portOf('registry')}`
  const admin = `127.0.0.1:${await portOf('admin')}`
  const running = starting.move()
  return {
    program,
    authority,
    url: `http://${authority}`,
    adminUrl: `http://${admin}`,
    async peakMemory() {
      const status = await readFile(`/proc/${program.pid}/status`, 'utf8')
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
    },
    async reload(config) {
      await writeFile(file, stringify(contentOf(config)))
      program.kill('SIGHUP')
    },
    async transfers() {
      const answer = await fetch(`http://${admin}/api/v1/transfers`)
      return ((await answer.json()) as { transfers: { filled: number }[] }).transfers
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

async function lineIn<T>(
  file: string,
  { exited }: Program,
  match: (line: string) => T | undefined,
): Promise<T> {
  let code: unknown
  void exited.then((it) => (code = it))
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const found = text.split('\n').slice(0, -1).map(match)
    const first = found.find((value) => value !== undefined)
    if (first !== undefined) return first
    if (code !== undefined) throw new Error(`ended with ${String(code)}\n${text}`)
    await sleep(20)
  }
}

/** What `npm start` runs, without npm in between, so that signals and figures are the proxy's own. */
async function startArguments(): Promise<string[]> {
  const main = new URL('src/main.ts', ROOT)
  const [, flags = ''] = /^#!\S+ -S node(.*)$/m.exec(await readFile(main, 'utf8'))!
  return [...flags.split(' ').filter(Boolean), fileURLToPath(main), 'serve']
}
