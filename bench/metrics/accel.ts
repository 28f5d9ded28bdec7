import { join } from 'node:path'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { ACCEL, nginxFront } from '../../test/e2e/support/nginx-front.ts'
import { pull, touchMemory } from '../support/measure.ts'
import { type Add, median, OWN } from '../support/report.ts'
import {
  benchUpstream,
  entrepotSystem,
  missingHere,
  peers,
  type System,
  systemOf,
} from '../support/systems.ts'
import { warmBlob } from '../support/warm-blob.ts'

/** nginx that sends the stored blobs of an Entrepot behind it, beside nginx that has cached them itself. */
export async function accel(add: Add): Promise<void> {
  if (missingHere('nginx')) return
  await touchMemory(3)
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(512)
  await using stack = new AsyncDisposableStack()
  const home = join(folder.path, 'entrepot')
  const entrepot = stack.use(
    await entrepotSystem(home, upstream.url, {
      listen: { host: '127.0.0.1', port: 0, accel: ACCEL },
      access: { trustedProxies: ACCEL.proxies },
    }),
  )
  const { host } = new URL(entrepot.url)
  const store = join(home, 'data')
  const nginx = stack.use(
    await nginxFront(join(folder.path, 'front'), { authority: host, store, workers: 2 }),
  )
  const front = systemOf(OWN, nginx.url, nginx.program)
  const both: System = { ...front, cpu: async () => (await front.cpu()) + (await entrepot.cpu()) }
  const peer = (await peers(folder.path, upstream.url)).map((one) => stack.use(one))
  const systems = [both, ...peer.filter(({ name }) => name === 'nginx')]

  const path = `/v2/library/app/blobs/${upstream.large}`
  for (const { url } of systems) await pull(url + path)
  const refused = await fetch(`${nginx.url}/v2/library/other/blobs/${upstream.large}`)
  await refused.arrayBuffer()
  if (refused.status !== 404) throw new Error(`a repository that may not be read: ${refused.status}`)

  const what = 'warm 512 MiB blob by X-Accel-Redirect'
  for (const clients of [1, 8]) {
    const speeds = await warmBlob(add, systems, { what, path, size: upstream.size, clients, rounds: 7 })
    const [own, theirs] = [speeds.get(OWN)!, speeds.get('nginx')!]
    const ratio = median(own.map((speed, round) => speed / theirs[round]!))
    add(`${what}, ${clients}: against nginx's own cache`, OWN, [ratio], '×', { least: 0.9 })
  }
}
