import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cephRgw, RGW } from '../../test/e2e/cluster/ceph-rgw.ts'
import { LOGIN, newBucket, REGION } from '../../test/e2e/cluster/new-bucket.ts'
import { postgres, withoutPostgres } from '../../test/e2e/cluster/postgres.ts'
import { freePort } from '../../test/e2e/support/processes.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { inTurn } from '../support/in-turn.ts'
import { load, pull, touchMemory } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem, missingHere, type System } from '../support/systems.ts'
import { warmBlob } from '../support/warm-blob.ts'

const PLACE = { region: REGION, bucket: 'entrepot' }
const REPLICA = `${OWN}, a replica`
const ROUNDS = 9
/** What a replica whose tier is warm may cost more than one machine. */
const NEARLY = 1.05

/** A replica on PostgreSQL and Ceph RGW whose tier is warm, and the embedded default, in turn. */
export async function replica(add: Add): Promise<void> {
  if (missingHere('wrk') || RGW.some(missingHere) || withoutPostgres !== false) return
  await touchMemory(2)
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(512)
  await using stack = new AsyncDisposableStack()
  const embedded = stack.use(await entrepotSystem(join(folder.path, 'embedded'), upstream.url))
  const systems: System[] = [embedded, await replicaSystem(stack, folder.path, upstream.url)]
  const manifests = '/v2/library/app/manifests'
  const small = {
    'warm manifest by digest': `${manifests}/${upstream.manifest}`,
    'warm tag': `${manifests}/latest`,
    'warm 233-byte blob': `/v2/library/app/blobs/${upstream.small}`,
  }
  const large = `/v2/library/app/blobs/${upstream.large}`
  for (const { url } of systems) for (const path of [...Object.values(small), large]) await pull(url + path)

  for (const [what, path] of Object.entries(small)) {
    const measured = await inTurn(
      systems,
      ROUNDS,
      async ({ url, cpu }, round) => {
        const before = await cpu()
        const { requests } = await load(url + path, 16, round < 1 ? 3 : 1)
        return (((await cpu()) - before) / requests) * 1e6
      },
      2,
    )
    compare(add, `${what}: CPU`, 'µs', measured)
  }
  const blob = { what: 'warm 512 MiB blob', path: large, size: upstream.size, clients: 8, rounds: 5 }
  const speeds = await warmBlob(add, systems, blob)
  const against = speeds.get(REPLICA)!.map((speed, round) => speed / speeds.get(OWN)![round]!)
  add('warm 512 MiB blob, 8 clients: a replica against one machine', OWN, against, '×', { least: 1 / NEARLY })
}

function compare(
  add: Add,
  what: string,
  unit: string,
  measured: ReadonlyMap<System, readonly number[]>,
): void {
  const [own, other] = [...measured.values()] as [readonly number[], readonly number[]]
  for (const [{ name }, values] of measured) add(what, name, values, unit)
  const ratios = other.map((value, round) => value / own[round]!)
  add(`${what} of a replica against one machine`, OWN, ratios, '×', { most: NEARLY })
}

async function replicaSystem(stack: AsyncDisposableStack, folder: string, upstream: string): Promise<System> {
  const [rgw, database] = await Promise.all([cephRgw(join(folder, 'ceph')), postgres()])
  stack.use(rgw)
  stack.use(database)
  await using _ = await newBucket(rgw, PLACE.bucket)
  const own = join(folder, 'replica')
  await mkdir(own)
  const secretFile = join(own, 'secret')
  await writeFile(secretFile, 'a secret of all replicas\n', { mode: 0o600 })
  const port = await freePort()
  const system = await entrepotSystem(own, upstream, {
    listen: { host: '127.0.0.1', port },
    storage: {
      root: './data',
      minFree: 0,
      s3: { ...PLACE, ...LOGIN, endpoint: rgw.endpoint },
      index: { postgres: database.url },
    },
    cluster: { advertise: `http://127.0.0.1:${port}`, secretFile },
  })
  return stack.use({ ...system, name: REPLICA })
}
