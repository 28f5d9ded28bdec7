import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'
import { Database } from '../../src/cluster/database.ts'
import { postgres, withoutPostgres } from '../../test/e2e/cluster/postgres.ts'
import { type Add, OWN } from '../support/report.ts'
import { type SimulatedReplica, simulatedReplica } from '../support/simulated-replica.ts'
import { World } from '../support/simulated-world.ts'

/** How many replicas, each with a hundred clients. */
const SIZES = [3, 30, 100]
const CLIENTS = 100
/** Milliseconds for each replica within which all clients begin: one machine stands for all of them. */
const WITHIN = 250
/** On which the statements of all replicas run: what this machine can do. None fails for having waited. */
const CONNECTIONS = 24
/** Seconds in which nobody pulls. */
const IDLE = 20

/**
 * What a cluster asks of its database and bucket: one image of ten layers that each take eight seconds, cold,
 * pulled by a hundred clients of each replica at once; then again; then nothing. The replicas run in this
 * process, with the parts of real ones and a real PostgreSQL. Upstream, bucket and network are made up.
 */
export async function simulation(add: Add): Promise<void> {
  if (withoutPostgres !== false) return
  for (const size of SIZES) await one(size, add)
}

async function one(size: number, add: Add): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const server = stack.use(await postgres({ maxConnections: size + 60 }))
  {
    await using first = new Database({ url: server.url, asked() {}, now: Date.now })
    await first.query('SELECT 1')
  }
  const shared = new Pool({ connectionString: server.url, max: CONNECTIONS })
  stack.defer(() => shared.end())
  const world = new World()
  const failures: unknown[] = []
  const all: SimulatedReplica[] = []
  for (let index = 0; index < size; index++) {
    const replica = await simulatedReplica({
      world,
      url: server.url,
      shared,
      index,
      replicaAt: (address) => all[Number(address.split('-').at(-1))]!,
      failed: (error) => failures.push(error),
    })
    all.push(stack.use(replica))
  }
  for (const deadline = Date.now() + 60_000; all.some(({ isListening }) => !isListening);) {
    if (Date.now() > deadline) throw new Error('a replica does not listen')
    await sleep(100)
  }
  const what = `${size} replicas, ${size * CLIENTS} clients`
  const tell = (of: string, value: number, unit: string): void => add(`${what}: ${of}`, OWN, [value], unit)
  const pulls = () =>
    Promise.all(
      all.flatMap((replica) =>
        Array.from({ length: CLIENTS }, async () => {
          await sleep(Math.random() * WITHIN * size)
          await replica.pull()
        }),
      ),
    )

  const before = { ...world }
  world.mostAsking = 0
  world.bySecond.clear()
  const leases = sample(() => server.sql('SELECT count(*) FROM entrepot_leases'))
  await pulls()
  const [statements, told] = [
    world.statements - before.statements,
    world.notifications - before.notifications,
  ]
  tell('cold: statements', statements, '')
  tell('cold: statements for a replica', statements / size, '')
  tell('cold: statements in the busiest second', Math.max(...world.bySecond.values()), '/s')
  tell('cold: statements at once, at most', world.mostAsking, '')
  tell('cold: milliseconds for a statement', ((world.seconds - before.seconds) / statements) * 1000, 'ms')
  tell('cold: notifications', told, '')
  tell('cold: notifications that arrive', told * size, '')
  tell('cold: leases at once, at most', leases.end(), '')
  tell('cold: requests to S3', world.s3Requests - before.s3Requests, '')
  tell('cold: requests upstream', world.upstreamRequests - before.upstreamRequests, '')
  const bytes = world.layers.reduce((sum, layer) => sum + layer.bytes.length, world.config.length)
  tell('cold: upstream bytes', world.upstreamBytes / bytes, '× the image')

  const cold = world.statements
  await pulls()
  tell('warm: statements for a pull', (world.statements - cold) / (size * CLIENTS), '')
  await sleep(2_000)
  const idle = world.statements
  await sleep(IDLE * 1000)
  tell('idle: statements', (world.statements - idle) / IDLE, '/s')
  const connections = Number(
    server.sql("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN entrepot'"),
  )
  tell('connections that listen', connections, '')
  tell('failures', failures.length, '')
  if (failures.length > 0) console.error(failures[0])
}

/** Reads a number again and again. */
function sample(read: () => string): { end(): number } {
  let most = 0
  const timer = setInterval(() => (most = Math.max(most, Number(read()))), 1_000)
  return {
    end() {
      clearInterval(timer)
      return most
    },
  }
}
