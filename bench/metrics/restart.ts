import { setTimeout as sleep } from 'node:timers/promises'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { download } from '../support/download.ts'
import { touchMemory } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem } from '../support/systems.ts'

const CLIENTS = 4
const DOWN = 1_000

/** Upstream goes away when 60 % of a blob are there, and comes back. The clients' answers go on; all bytes are compared. */
export async function restart(add: Add): Promise<void> {
  await using upstream = await benchUpstream(512, 100e6)
  const shares: number[] = []
  for (let round = 0; round < 3; round++) {
    await touchMemory(1)
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    const { sent } = await upstream.stats()
    const all = download({
      url: `${entrepot.url}/v2/library/app/blobs/${upstream.large}`,
      clients: CLIENTS,
      compareWith: upstream.size,
    })
    while ((await upstream.stats()).sent - sent < 0.6 * upstream.size) await sleep(10)
    upstream.toggle()
    await sleep(DOWN)
    upstream.toggle()
    await all
    shares.push(((await upstream.stats()).sent - sent) / upstream.size)
  }
  add(`upstream away at 60 % of 512 MiB: upstream bytes`, OWN, shares, '× the blob', { most: 1.05 })
}
