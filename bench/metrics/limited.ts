import { tempFolder } from '../../test/support/temp-folder.ts'
import { pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem } from '../support/systems.ts'

/** Upstream sends no more than 20 MB/s on each connection. */
export async function limited(add: Add): Promise<void> {
  await using upstream = await benchUpstream(256, 20e6)
  const path = `/v2/library/app/blobs/${upstream.large}`
  const gains: number[] = []
  const shares: number[] = []
  for (let round = 0; round < 3; round++) {
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    const direct = await pull(upstream.url + path)
    const { sent } = await upstream.stats()
    gains.push(direct / (await pull(entrepot.url + path)))
    shares.push(((await upstream.stats()).sent - sent) / upstream.size)
  }
  add('20 MB/s per connection, cold 256 MiB: against direct', OWN, gains, '×', { least: 3 })
  add('20 MB/s per connection, cold 256 MiB: upstream bytes', OWN, shares, '× the blob', { most: 1.05 })
}
