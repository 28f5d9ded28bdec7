import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../../support/fixtures.ts'
import { freePort, type Program, start } from './processes.ts'

export interface RegistryRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly status: number
}

export interface RealRegistry extends AsyncDisposable {
  readonly url: string
  readonly authority: string
  readonly program: Program
  /** Every request it has answered since `forget`, until now. */
  requests(): Promise<readonly RegistryRequest[]>
  forget(): Promise<void>
  stop(): Promise<void>
  /** Again on the same port, with the same content. */
  restart(): Promise<void>
}

/**
 * Debian's docker-registry (distribution 2.8), with its content in `folder`. `auth` is that section of its
 * configuration; `schema1`: it takes manifests of schema 1.
 */
export async function realRegistry(folder: string, auth?: object, schema1 = false): Promise<RealRegistry> {
  const authority = `127.0.0.1:${await freePort()}`
  const url = `http://${authority}`
  const config = join(folder, 'registry.yml')
  await mkdir(join(folder, 'content'), { recursive: true })
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(folder, 'content') } },
      http: { addr: authority },
      ...(auth && { auth }),
      ...(schema1 && { compatibility: { schema1: { enabled: true } } }),
    }),
  )
  const boot = async () => {
    await using starting = new AsyncDisposableStack()
    const program = starting.use(start('docker-registry', ['serve', config]))
    await eventually(async () => {
      const answer = await fetch(`${url}/v2/?mark=boot`).catch(() => undefined)
      return answer !== undefined
    }, 20_000)
    starting.move()
    return program
  }
  let program = await boot()
  let past: readonly RegistryRequest[] = []
  let seen = 0
  let marks = 0

  const logged = () => [...past, ...requestsIn(program.lines.slice(seen))]

  /** The access log has a line when an answer is over, which its reader may know before. */
  const settle = async () => {
    const mark = `/v2/?mark=${marks++}`
    const answer = await fetch(url + mark).catch(() => undefined)
    if (answer !== undefined) await program.line((line) => (line.includes(`${mark} `) ? true : undefined))
  }

  return {
    authority,
    url,
    get program() {
      return program
    },
    async requests() {
      await settle()
      return logged().filter(({ path }) => !path.startsWith('/v2/?mark='))
    },
    async forget() {
      await settle()
      past = []
      seen = program.lines.length
    },
    async stop() {
      await program[Symbol.asyncDispose]()
      past = logged()
      seen = program.lines.length
    },
    async restart() {
      program = await boot()
      seen = 0
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

/** Its access log is Apache's combined format. */
function requestsIn(lines: readonly string[]): RegistryRequest[] {
  return lines.flatMap((line) => {
    const [, method, path, status] = /"([A-Z]+) (\/v2\/\S*) HTTP\/1\.1" (\d+)/.exec(line) ?? []
    return method && path && status ? [{ method, path, status: Number(status) }] : []
  })
}
