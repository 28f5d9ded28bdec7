import { tempFolder } from '../../test/support/temp-folder.ts'
import { download } from '../support/download.ts'
import { touchMemory } from '../support/measure.ts'
import { type Add, median, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem } from '../support/systems.ts'

const CLIENTS = 50

/** Who gets the first byte of a cold blob when many ask for it at once, and how much later the others do. */
export async function followers(add: Add): Promise<void> {
  await using upstream = await benchUpstream(512)
  const path = `/v2/library/app/blobs/${upstream.large}`
  const leaders: number[] = []
  const delays: number[] = []
  const latest: number[] = []
  const shares: number[] = []
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    await touchMemory(1)
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    const { sent } = await upstream.stats()
    const { firsts, seconds } = await download({ url: entrepot.url + path, clients: CLIENTS })
    const leader = Math.min(...firsts)
    leaders.push(leader)
    delays.push(median(firsts) - leader)
    latest.push(Math.max(...firsts) - leader)
    shares.push(((await upstream.stats()).sent - sent) / upstream.size)
    times.push(seconds)
  }
  const what = `${CLIENTS} clients, cold 512 MiB blob`
  add(`${what}: leader's first byte`, OWN, leaders, 'ms')
  add(`${what}: followers' first byte after it, median`, OWN, delays, 'ms', { most: 20 })
  add(`${what}: followers' first byte after it, last`, OWN, latest, 'ms')
  add(`${what}: until all have it`, OWN, times, 's')
  add(`${what}: upstream bytes`, OWN, shares, '× the blob', { most: 1.005 })
}
