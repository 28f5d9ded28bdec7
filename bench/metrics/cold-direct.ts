import { tempFolder } from '../../test/support/temp-folder.ts'
import { pull, touchMemory } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem } from '../support/systems.ts'

const ROUNDS = 5

/** A cold pull by one client, and the same download straight from upstream to a file. */
export async function coldDirect(add: Add): Promise<void> {
  await using upstream = await benchUpstream(512)
  const path = `/v2/library/app/blobs/${upstream.large}`
  const gigabytes = upstream.size / 1e9
  const direct: number[] = []
  const cold: number[] = []
  const cost: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    await touchMemory(2)
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    const toFile = gigabytes / (await pull(upstream.url + path, `${folder.path}/direct`))
    const before = await entrepot.cpu()
    const through = gigabytes / (await pull(entrepot.url + path))
    if (round === 0) continue
    direct.push(toFile)
    cold.push(through)
    cost.push(((await entrepot.cpu()) - before) / gigabytes)
  }
  const ratios = cold.map((speed, i) => speed / direct[i]!)
  add('512 MiB straight from upstream to a file', 'curl', direct, 'GB/s')
  add('cold 512 MiB blob, 1 client', OWN, cold, 'GB/s')
  add('cold 512 MiB blob, 1 client: server CPU', OWN, cost, 's/GB')
  add('cold 512 MiB blob, 1 client: against the direct download', OWN, ratios, '×', { least: 0.9 })
}
