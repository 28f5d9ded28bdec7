import { tempFolder } from '../../test/support/temp-folder.ts'
import { pull } from '../support/measure.ts'
import type { Add } from '../support/report.ts'
import { requestRate } from '../support/request-rate.ts'
import {
  bare,
  benchUpstream,
  entrepotSystem,
  entrepotWithoutLog,
  missingHere,
  peers,
} from '../support/systems.ts'

/** Small things that are in the store, from every system in turn. */
export async function warmSmall(add: Add): Promise<void> {
  if (missingHere('wrk')) return
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(1)
  await using stack = new AsyncDisposableStack()
  const manifests = '/v2/library/app/manifests'
  const manifest = { what: 'warm manifest by digest', path: `${manifests}/${upstream.manifest}` }
  const tag = { what: 'warm tag', path: `${manifests}/latest` }
  const blob = { what: 'warm 233-byte blob', path: `/v2/library/app/blobs/${upstream.small}` }
  const own = stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url))
  const systems = [
    own,
    stack.use(await entrepotWithoutLog(`${folder.path}/log-off`, upstream.url)),
    // nginx with one thread, as Entrepot has.
    ...(await peers(folder.path, upstream.url, undefined, 1)).map((peer) => stack.use(peer)),
  ]
  // docker-registry fails some of those who ask together for what it has not.
  for (const { url } of systems) await pull(url + blob.path)
  const paths = [manifest.path, tag.path, blob.path]
  systems.push(stack.use(await bare(`${folder.path}/answers`, own.url, paths)))

  for (const one of [manifest, tag, blob]) await requestRate(add, systems, { ...one, connections: 16 })
  for (const one of [manifest, tag, blob]) await requestRate(add, systems, { ...one, connections: 256 })
}
