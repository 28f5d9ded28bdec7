/** Entrepot as a process of its own, started the ways that people start it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { eventually } from './fixtures.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = join(ROOT, 'src', 'main.ts')

export const WAYS = {
  'npm start': ['npm', '--prefix', ROOT, 'start', '--'],
  node: [process.execPath, MAIN, 'serve'],
  'the installed command': [join(ROOT, 'bin', 'entrepot'), 'serve'],
} as const

export interface Service extends AsyncDisposable {
  readonly child: ChildProcess
  readonly file: string
  readonly port: number
  readonly adminUrl: string
  /** Log entries so far. */
  log(): readonly Record<string, unknown>[]
  /** All that was written, lines that are no JSON too. */
  text(): string
  /** Sends a signal to one process, or to the whole group as a terminal does. */
  signal(name: NodeJS.Signals, to?: number | 'group'): void
  /** Writes the configuration again. */
  configure(config: object): Promise<void>
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

export interface ServiceOptions {
  readonly folder: string
  readonly config?: object
  readonly way?: readonly string[]
  /** A command that runs it, `unshare -pf`. */
  readonly wrap?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** Starts it, and waits until it says that it has. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { folder, config = {}, way = WAYS.node, wrap = [], env = {} } = options
  const file = join(folder, 'proxy.config.yaml')
  const configure = (changed: object): Promise<void> =>
    writeFile(
      file,
      stringify({
        listen: { host: '127.0.0.1', port: 0 },
        admin: { host: '127.0.0.1', port: 0 },
        storage: { root: './data', minFree: 0 },
        publicUpstreams: false,
        ...changed,
      }),
    )
  await configure(config)
  const [command, ...args] = [...wrap, ...way, '--config', file]
  const { ENTREPOT_CONFIG: _, ...own } = process.env
  const child = spawn(command!, args, { env: { ...own, ...env }, detached: true, cwd: folder })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
  const { promise: exited, resolve } = Promise.withResolvers<Awaited<Service['exited']>>()
  let isOver = false
  child.once('exit', (code, signal) => {
    isOver = true
    resolve({ code, signal })
  })
  const signal: Service['signal'] = (name, to = child.pid!) => {
    try {
      process.kill(to === 'group' ? -child.pid! : to, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  const log = () =>
    text
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const portOf = (listener: string) =>
    Number(log().find(({ msg, listener: name }) => msg === 'listening' && name === listener)?.['port'])
  try {
    await eventually(() => {
      if (isOver) throw new Error(`it ended: ${text}`)
      return log().some(({ msg }) => msg === 'started')
    }, 30_000)
  } catch (error) {
    signal('SIGKILL', 'group')
    throw error
  }
  return {
    child,
    file,
    port: portOf('registry'),
    adminUrl: `http://127.0.0.1:${portOf('admin')}`,
    log,
    text: () => text,
    signal,
    configure,
    exited,
    async [Symbol.asyncDispose]() {
      signal('SIGKILL', 'group')
      await exited
    },
  }
}

/** Children, their children and so on (proc(5)), the process itself last. */
export function processesBelow(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [...children.flatMap((child) => processesBelow(Number(child))), pid]
}

/** Whether a process is there, and is more than a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
