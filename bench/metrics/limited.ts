import { tempFolder } from '../../test/support/temp-folder.ts'
import { pull, touchMemory } from '../support/measure.ts'
import { type Add, OWN, type Wanted } from '../support/report.ts'
import { benchUpstream, entrepotSystem } from '../support/systems.ts'

interface Limit {
  /** Megabytes per second that upstream sends on each connection. */
  readonly megabytes: number
  readonly mebibytes: number
  /** How many times as fast as a direct download. */
  readonly gain: Wanted
}

const ROUNDS = 3
const LIMITS: readonly Limit[] = [
  { megabytes: 20, mebibytes: 256, gain: { least: 3 } },
  { megabytes: 250, mebibytes: 512, gain: { least: 1 } },
]

/** Upstreams that limit a connection: a slow one is worth several connections, a fast one is not. */
export async function limited(add: Add): Promise<void> {
  for (const limit of LIMITS) await one(limit, add)
}

async function one({ megabytes, mebibytes, gain }: Limit, add: Add): Promise<void> {
  await touchMemory(1)
  await using upstream = await benchUpstream(mebibytes, megabytes * 1e6)
  const path = `/v2/library/app/blobs/${upstream.large}`
  const gains: number[] = []
  const shares: number[] = []
  const requests: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    const direct = await pull(upstream.url + path)
    const before = await upstream.stats()
    gains.push(direct / (await pull(entrepot.url + path)))
    const after = await upstream.stats()
    shares.push((after.sent - before.sent) / upstream.size)
    requests.push(after.gets - before.gets)
  }
  const what = `${megabytes} MB/s per connection, cold ${mebibytes} MiB`
  add(`${what}: against direct`, OWN, gains, '×', gain)
  add(`${what}: upstream bytes`, OWN, shares, '× the blob', { most: 1.05 })
  add(`${what}: upstream requests`, OWN, requests, '', { most: 8 + mebibytes / 64 })
}
