import { tempFolder } from '../../test/support/temp-folder.ts'
import { pull, touchMemory } from '../support/measure.ts'
import type { Add } from '../support/report.ts'
import { benchUpstream, entrepotSystem, peers, plain } from '../support/systems.ts'
import { warmBlob } from '../support/warm-blob.ts'

/** A large blob that is in the store, from every system in turn. */
export async function warm(add: Add): Promise<void> {
  await touchMemory(3)
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(512)
  await using stack = new AsyncDisposableStack()
  const systems = [
    stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url)),
    ...(await peers(folder.path, upstream.url)).map((peer) => stack.use(peer)),
  ]
  const path = `/v2/library/app/blobs/${upstream.large}`
  const file = `${folder.path}/blob`
  await pull(upstream.url + path, file)
  const yardstick = stack.use(await plain(file))
  for (const { url } of systems) await pull(url + path)

  const blob = { what: 'warm 512 MiB blob', path, size: upstream.size, cost: { most: 0.25 } }
  await warmBlob(add, systems, { ...blob, clients: 1, rounds: 5 })
  await warmBlob(add, [...systems, yardstick], { ...blob, clients: 8, rounds: 5 })
  // 34 GB from each of them, all of it warm by now: one round is long enough.
  await warmBlob(add, [...systems, yardstick], { ...blob, clients: 64, rounds: 1, uncounted: 0 })
}
