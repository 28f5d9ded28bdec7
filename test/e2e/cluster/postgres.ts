import { execFile, execFileSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from './free-ports.ts'

export interface Standby extends AsyncDisposable {
  readonly port: number
  /** Makes it the database that is written to. */
  promote(): Promise<void>
}

export interface Postgres extends AsyncDisposable {
  /** Of a database with nothing in it. */
  readonly url: string
  readonly port: number
  stop(): Promise<void>
  start(): Promise<void>
  /** Another server, which follows this one. */
  standby(): Promise<Standby>
  /** Runs SQL. @returns what psql prints, unaligned */
  sql(text: string, database?: string): string
}

const BIN = globSync('/usr/lib/postgresql/*/bin/initdb').map(dirname).at(-1)

/** What is missing to run it; false when nothing is. */
export const withoutPostgres = BIN === undefined ? 'not installed: postgresql' : (false as const)

/** A real PostgreSQL on 127.0.0.1, with a socket folder and data of its own. It refuses to run as root. */
export async function postgres({ maxConnections = 60 } = {}): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-pg-'))
  const isRoot = process.getuid!() === 0
  if (isRoot) {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
    await chown(folder, id('-u'), id('-g'))
  }
  const data = join(folder, 'data')
  const port = await freePorts(1)
  const run = promisify(execFile)
  const asUser = async (program: string, ...args: string[]): Promise<void> => {
    const [command, before] = isRoot ? ['runuser', ['-u', 'postgres', '--']] : [program, []]
    await run(command!, [...(before as string[]), ...(isRoot ? [program] : []), ...args], {
      cwd: folder,
      timeout: 60_000,
    })
  }
  const startIn = (place: string, at: number) =>
    asUser(
      `${BIN}/pg_ctl`,
      ...['start', '-w', '-D', place, '-l', `${place}.log`],
      ...['-o', `-p ${at} -h 127.0.0.1 -k ${folder} -c fsync=off -c max_connections=${maxConnections}`],
    )
  const stopIn = (place: string) => asUser(`${BIN}/pg_ctl`, 'stop', '-w', '-m', 'immediate', '-D', place)
  const start = () => startIn(data, port)
  const stop = () => stopIn(data)
  await asUser(`${BIN}/initdb`, '-D', data, '-U', 'entrepot', '-A', 'trust', '--no-sync')
  await start()
  const sql = (text: string, database = 'entrepot'): string =>
    execFileSync(
      'psql',
      ['-h', '127.0.0.1', '-p', String(port), '-U', 'entrepot', '-d', database, '-qAtc', text],
      {
        encoding: 'utf8',
      },
    )
  sql('CREATE DATABASE entrepot', 'postgres')
  return {
    url: `postgres://entrepot@127.0.0.1:${port}/entrepot`,
    port,
    stop,
    start,
    sql,
    async standby() {
      const place = join(folder, 'standby')
      const at = await freePorts(1)
      const from = ['-h', '127.0.0.1', '-p', String(port), '-U', 'entrepot']
      await asUser(`${BIN}/pg_basebackup`, ...from, '-D', place, '-R', '-X', 'stream', '-c', 'fast')
      await startIn(place, at)
      return {
        port: at,
        promote: () => asUser(`${BIN}/pg_ctl`, 'promote', '-w', '-D', place),
        [Symbol.asyncDispose]: () => stopIn(place),
      }
    },
    async [Symbol.asyncDispose]() {
      await stop().catch(() => {})
      await rm(folder, { recursive: true, force: true })
    },
  }
}
