import { tempFolder } from '../../test/support/temp-folder.ts'
import { download } from '../support/download.ts'
import { touchMemory } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem } from '../support/systems.ts'

const CLIENTS = 500

/** Many clients on one cold blob, each byte of each of them compared. */
export async function herd(add: Add): Promise<void> {
  await touchMemory(1)
  await using upstream = await benchUpstream(64)
  await using folder = await tempFolder()
  await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
  const { seconds } = await download({
    url: `${entrepot.url}/v2/library/app/blobs/${upstream.large}`,
    clients: CLIENTS,
    compareWith: upstream.size,
  })
  const { sent, gets } = await upstream.stats()
  const what = `${CLIENTS} clients, cold 64 MiB blob`
  add(`${what}: until all have it`, OWN, [seconds], 's')
  add(`${what}: upstream requests`, OWN, [gets], '', { most: 1 })
  add(`${what}: upstream bytes`, OWN, [sent / upstream.size], '× the blob', { most: 1.005 })
  add(`${what}: memory at most`, OWN, [await entrepot.peak()], 'MiB', { most: 256 })
}
