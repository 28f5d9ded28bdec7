import { writeFile } from 'node:fs/promises'
import { selfSignedCertificate } from '../../test/support/fixtures.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { cipherOf, pull, touchMemory } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem, missingHere, peers } from '../support/systems.ts'
import { warmBlob } from '../support/warm-blob.ts'
import { requestRate } from '../support/request-rate.ts'

/** What is in the store, over HTTPS, with one certificate, protocol and cipher for all. */
export async function tls(add: Add): Promise<void> {
  await touchMemory(3)
  await using folder = await tempFolder()
  const { cert, key } = selfSignedCertificate()
  const files = { cert: `${folder.path}/cert.pem`, key: `${folder.path}/key.pem` }
  await writeFile(files.cert, cert)
  await writeFile(files.key, key)
  await using upstream = await benchUpstream(512)
  await using stack = new AsyncDisposableStack()
  const systems = [
    stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url, {}, files)),
    ...(await peers(folder.path, upstream.url, files)).map((peer) => stack.use(peer)),
  ]
  const path = `/v2/library/app/blobs/${upstream.large}`
  const ciphers = new Set<string>()
  for (const { url } of systems) {
    await pull(url + path)
    ciphers.add(await cipherOf(url))
  }
  if (ciphers.size > 1) throw new Error(`not the same cipher: ${[...ciphers].join(', ')}`)

  const what = 'TLS, warm 512 MiB blob'
  for (const clients of [1, 8]) {
    const order = { what, path, size: upstream.size, clients, rounds: 3, uncounted: clients === 1 ? 1 : 0 }
    const speeds = await warmBlob(add, systems, order)
    const nginx = speeds.get('nginx')
    if (nginx === undefined) continue
    const ratios = speeds.get(OWN)!.map((speed, round) => speed / nginx[round]!)
    add(`${what}, ${clients} ${clients === 1 ? 'client' : 'clients'}: against nginx`, OWN, ratios, '×', {
      least: 0.9,
    })
  }
  if (missingHere('wrk')) return
  const manifest = `/v2/library/app/manifests/${upstream.manifest}`
  await requestRate(add, systems, { what: 'TLS, warm manifest by digest', path: manifest, connections: 16 })
}
