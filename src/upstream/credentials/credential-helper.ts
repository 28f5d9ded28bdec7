import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { CredentialProblem } from './credential-problem.ts'
import { type Credentials, credentialsOf } from './credentials.ts'

export interface HelperRun {
  /** `ecr-login` runs `docker-credential-ecr-login`, found by `env.PATH`. */
  readonly name: string
  /** What it knows the registry by: its host, or Docker Hub's `https://index.docker.io/v1/`. */
  readonly server: string
  readonly env: NodeJS.ProcessEnv
  /** Ends it early. */
  readonly signal: AbortSignal
  /** Milliseconds. */
  readonly timeout?: number
}

/** Less than a question has by default, so that whoever waits is told what hung. */
const TIMEOUT = 8_000
const MAX_OUTPUT = 64 * 1024
/** docker-credential-helpers, credentials/error.go */
const NOT_FOUND = 'credentials not found in native keychain'

/**
 * Runs a helper of the docker-credential-helpers protocol: the server goes in, `{"Username","Secret"}` comes out. No shell, and
 * nothing of it is left when it takes too long or says too much. What it prints is never repeated.
 *
 * @returns undefined when it says that it has none.
 * @throws CredentialProblem
 */
export async function askHelper(run: HelperRun): Promise<Credentials | undefined> {
  const { code, output } = await outcomeOf(run)
  if (code === 0) return parse(output, run)
  if (output.includes(NOT_FOUND)) return undefined
  throw problem(run, `ended with ${code}`)
}

function outcomeOf(run: HelperRun): Promise<{ code: number | NodeJS.Signals | null; output: string }> {
  const { name, server, env, signal, timeout = TIMEOUT } = run
  // A process group of its own, so that what it started ends with it.
  const child = spawn(`docker-credential-${name}`, ['get'], {
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const giveUp = (why: string): void => {
      reject(problem(run, why))
      endGroup(child)
    }
    const timer = setTimeout(giveUp, timeout, `took longer than ${timeout / 1000} s`)
    const stopped = (): void => giveUp('was stopped')
    signal.addEventListener('abort', stopped, { once: true })
    const over = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stopped)
    }
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      over()
      reject(problem(run, `cannot be run: ${code}`))
    })
    child.once('close', (code, ended) => {
      over()
      resolve({ code: code ?? ended, output: Buffer.concat(chunks).toString() })
    })
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size > MAX_OUTPUT) giveUp(`said more than ${MAX_OUTPUT} bytes`)
    })
    // One that knows a single registry need not read which one is meant.
    child.stdin.on('error', () => {})
    child.stdin.end(`${server}\n`)
    if (signal.aborted) stopped()
  })
}

function endGroup(child: ChildProcessByStdio<Writable, Readable, null>): void {
  child.stdout.destroy()
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function parse(output: string, run: HelperRun): Credentials {
  try {
    const { Username: username, Secret: secret } = JSON.parse(output) as Record<string, unknown>
    if (typeof username === 'string' && typeof secret === 'string' && secret !== '') {
      return credentialsOf(username, secret)
    }
  } catch (error) {
    // Of what is no JSON the message shows a part, and of `null` we need none.
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error
  }
  throw problem(run, 'gave something else than credentials')
}

function problem({ name }: HelperRun, what: string): CredentialProblem {
  return new CredentialProblem(`docker-credential-${name} ${what}`)
}
