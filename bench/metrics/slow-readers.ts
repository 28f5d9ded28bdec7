import { tempFolder } from '../../test/support/temp-folder.ts'
import { download } from '../support/download.ts'
import { pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem } from '../support/systems.ts'

const CLIENTS = 1_000
const SECONDS = 15

/** Many clients that read one blob slower than it could be sent. */
export async function slowReaders(add: Add): Promise<void> {
  await using upstream = await benchUpstream(64)
  await using folder = await tempFolder()
  await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
  const url = `${entrepot.url}/v2/library/app/blobs/${upstream.large}`
  await pull(url)
  const order = {
    url,
    clients: CLIENTS,
    compareWith: upstream.size,
    bytesPerSecond: 64 * 1024,
    seconds: SECONDS,
  }
  const { bytes, firsts } = await download(order)
  if (firsts.length < CLIENTS) throw new Error(`only ${firsts.length} of ${CLIENTS} got anything`)
  add(`${CLIENTS} slow readers of one blob: memory at most`, OWN, [await entrepot.peak()], 'MiB', {
    most: 256,
  })
  add(`${CLIENTS} slow readers of one blob: bytes read`, OWN, [bytes / 1e6 / SECONDS], 'MB/s')
}
