import { execFile, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'

export interface Program extends AsyncDisposable {
  readonly pid: number
  /** Lines of both outputs so far. */
  readonly lines: readonly string[]
  /** Resolves with the first line, of those before too, for which `match` gives something. */
  line<T>(match: (line: string) => T | undefined): Promise<T>
  /** Its exit code, or the signal that ended it, once its outputs are closed. */
  readonly exited: Promise<number | NodeJS.Signals>
  kill(signal: NodeJS.Signals): void
}

const READY_WITHIN = 30_000
const STOPS_WITHIN = 10_000
const RUN_WITHIN = 120_000

/** setpriv(1): the kernel ends it with the process that started it, however that ends, so no test leaves a daemon behind. */
const TIED = { command: 'setpriv', args: ['--pdeathsig', 'KILL', '--'] }

/**
 * Signals a program again and again until it has ended, as an impatient person does.
 *
 * @returns how it ended
 */
export async function insist(program: Program, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
  const timer = setInterval(() => program.kill(signal), 100)
  try {
    return await program.exited
  } finally {
    clearInterval(timer)
  }
}

/** Starts a program in a process group of its own. Disposing it ends all of the group. */
export function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const child = spawn(TIED.command, [...TIED.args, command, ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(env),
  })
  const lines: string[] = []
  const waiting = new Set<(line: string) => void>()
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        lines.push(line)
        for (const notify of waiting) notify(line)
      }
    })
  }
  const { promise: exited, resolve } = Promise.withResolvers<number | NodeJS.Signals>()
  child.once('error', () => resolve('SIGABRT'))
  child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGABRT'))
  const end = (signal: NodeJS.Signals) => endGroup(child.pid, signal)

  return {
    pid: child.pid ?? 0,
    lines,
    exited,
    kill: end,
    line(match) {
      const found = lines.map(match).find((value) => value !== undefined)
      if (found !== undefined) return Promise.resolve(found)
      return new Promise((settle, reject) => {
        const fail = (why: string) => {
          done()
          reject(new Error(`${command}: ${why}\n${lines.slice(-15).join('\n')}`))
        }
        const notify = (line: string) => {
          const value = match(line)
          if (value === undefined) return
          done()
          settle(value)
        }
        const timer = setTimeout(fail, READY_WITHIN, 'did not say so in time')
        const done = () => {
          clearTimeout(timer)
          waiting.delete(notify)
        }
        waiting.add(notify)
        void exited.then((code) => fail(`ended with ${code}`))
      })
    },
    async [Symbol.asyncDispose]() {
      end('SIGTERM')
      // One that is stopped does not hear of it.
      end('SIGCONT')
      const timer = setTimeout(end, STOPS_WITHIN, 'SIGKILL')
      await exited
      clearTimeout(timer)
      end('SIGKILL')
    },
  }
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. A code other than 0 is an outcome too. */
export function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  within = RUN_WITHIN,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = {
      env: environment(env),
      maxBuffer: 64 * 1024 * 1024,
      timeout: within,
      killSignal: 'SIGKILL',
    } as const
    execFile(TIED.command, [...TIED.args, command, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, stdout, stderr })
    })
  })
}

/** Runs a program that has to succeed. @returns what it printed */
export async function succeed(
  command: string,
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, env)
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${stderr.slice(-2000)}${stdout.slice(-500)}`)
  return stdout
}

/** `{ root: '/tmp/x' }` as `--root=/tmp/x`. */
export function flags(options: Readonly<Record<string, string | boolean>>): readonly string[] {
  return Object.entries(options).map(([name, value]) => `--${name}=${value}`)
}

/** Daemons are in sbin, which the PATH of a user need not have. A PATH in `more` is searched before our own. */
function environment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const first = more['PATH'] === undefined ? [] : [more['PATH']]
  return { ...process.env, ...more, PATH: [...first, ...searchPath()].join(delimiter) }
}

function searchPath(): readonly string[] {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
}

/** A port that was free a moment ago, for programs that cannot be asked which one they got. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/**
 * Which of these programs are not installed. In CI a missing one is a failure, elsewhere the suite that needs it says so and is
 * passed over.
 */
export function missing(...programs: readonly string[]): string | false {
  const absent = [TIED.command, ...programs].filter(
    (program) => !searchPath().some((folder) => isExecutable(join(folder, program))),
  )
  if (absent.length === 0) return false
  if (process.env['CI']) throw new Error(`not installed: ${absent.join(', ')}`)
  return `not installed: ${absent.join(', ')}`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return false
  }
}
