import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { parseJsonObject } from '../../util/json-object.ts'
import { CredentialProblem } from './credential-problem.ts'
import { type Credentials, credentialsOf } from './credentials.ts'

export interface HelperRun {
  /** `ecr-login` runs `docker-credential-ecr-login`, found by `env.PATH`. */
  readonly name: string
  /** The helper's name for the registry: its host, or Docker Hub's `https://index.docker.io/v1/`. */
  readonly server: string
  readonly env: NodeJS.ProcessEnv
  /** Ends the helper early. */
  readonly signal: AbortSignal
  /** Milliseconds. */
  readonly timeout?: number
}

/** Milliseconds. Shorter than the default deadline of a request, so that the client is told what hung. */
const TIMEOUT = 8_000
/**
 * Milliseconds that the output may stay open after the helper has exited. A child that it started may hold
 * it.
 */
const DRAIN = 250
const MAX_OUTPUT = 64 * 1024
/** docker-credential-helpers, credentials/error.go */
const NOT_FOUND = 'credentials not found in native keychain'

interface HelperOutcome {
  readonly code: number | NodeJS.Signals | null
  readonly output: string
}

/**
 * Runs a helper of the docker-credential-helpers protocol: it reads the server and prints
 * `{"Username","Secret"}`. No shell is involved. A helper that takes too long or prints too much is killed,
 * and no process it started outlives it. Its output is never repeated.
 *
 * @returns undefined when the helper says that it has no credentials for this server.
 * @throws CredentialProblem
 */
export async function askHelper(run: HelperRun): Promise<Credentials | undefined> {
  const { code, output } = await outcomeOf(run)
  if (code === 0) return parse(output, run)
  if (output.includes(NOT_FOUND)) return undefined
  throw problem(run, `ended with ${code}`)
}

function outcomeOf(run: HelperRun): Promise<HelperOutcome> {
  const { name, server, env, signal, timeout = TIMEOUT } = run
  // Its own process group, so that its children end with it.
  const child = spawn(`docker-credential-${name}`, ['get'], {
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const { promise, resolve, reject } = Promise.withResolvers<HelperOutcome>()
  const chunks: Buffer[] = []
  let size = 0
  let draining: NodeJS.Timeout | undefined

  const giveUp = (why: string): void => {
    reject(problem(run, why))
    endGroup(child)
  }
  const finish = (code: HelperOutcome['code']): void =>
    resolve({ code, output: Buffer.concat(chunks).toString() })
  const finishEarly = (code: HelperOutcome['code']): void => {
    finish(code)
    endGroup(child)
  }
  const stopped = (): void => giveUp('was stopped')
  const timer = setTimeout(giveUp, timeout, `took longer than ${timeout / 1000} s`)
  signal.addEventListener('abort', stopped, { once: true })

  child.once('error', ({ code }: NodeJS.ErrnoException) => reject(problem(run, `cannot be run: ${code}`)))
  child.once('exit', (code, ended) => (draining = setTimeout(finishEarly, DRAIN, code ?? ended)))
  child.once('close', (code, ended) => finish(code ?? ended))
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_OUTPUT) giveUp(`printed more than ${MAX_OUTPUT} bytes`)
  })
  // A helper for a single registry may not read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(`${server}\n`)
  if (signal.aborted) stopped()

  return promise.finally(() => {
    clearTimeout(timer)
    clearTimeout(draining)
    signal.removeEventListener('abort', stopped)
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
  const { Username: username, Secret: secret } = parseJsonObject(output) ?? {}
  if (typeof username === 'string' && typeof secret === 'string' && secret !== '') {
    return credentialsOf(username, secret)
  }
  throw problem(run, 'did not print credentials')
}

function problem({ name }: HelperRun, what: string): CredentialProblem {
  return new CredentialProblem(`docker-credential-${name} ${what}`)
}
