/** Clients that ask for what is long, and take nothing of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { descriptorOf, eventually, manifestOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { proxyProcess } from './support/proxy-process.ts'

const CLIENTS = 400
/** Bytes of headers and a beginning. */
const BEGUN = 1_000

const manifest = manifestOf([], { annotations: { padding: 'x'.repeat(4_000_000) } })
const digest = digestOf(manifest)
const referrers = JSON.stringify({
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: Array.from({ length: 9_000 }, (_, i) =>
    Object.assign(descriptorOf(Buffer.from(`${i}`), OCI_MANIFEST), {
      artifactType: 'application/sbom',
      annotations: { padding: 'x'.repeat(150) },
    }),
  ),
})
const tags = JSON.stringify({
  name: 'library/app',
  tags: Array.from({ length: 300_000 }, (_, i) => `build-2026.11.25-${String(i).padStart(8, '0')}`),
})

const PATHS: Readonly<Record<string, string>> = {
  'a manifest of 4 MB that is stored': `manifests/${digest}`,
  'a list of referrers of 3 MB': `referrers/${digest}`,
  'referrers of one type': `referrers/${digest}?artifactType=application/sbom`,
  'a list of 300,000 tags': 'tags/list',
}

suite('SEC-71 SEC-73: hundreds of clients that take nothing of a long answer', () => {
  for (const [name, path] of Object.entries(PATHS)) {
    test(`${name}: they share its memory, and hold nobody up`, async () => {
      await using folder = await tempFolder()
      await using upstream = await fakeUpstream({ referrers: true })
      upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
      upstream.on(/referrers/, { times: Infinity, body: referrers, headers: { 'Content-Type': OCI_INDEX } })
      upstream.on(/tags/, {
        times: Infinity,
        body: tags,
        headers: { 'Content-Type': 'application/json' },
      })
      await using proxy = await proxyProcess(folder.path, upstream.url)
      const url = `${proxy.url}/v2/library/app/${path}`
      const first = await fetch(url)
      assert.equal(first.status, 200)
      await first.arrayBuffer()

      const sockets = Array.from({ length: CLIENTS }, () => connect(Number(new URL(url).port), '127.0.0.1'))
      try {
        await Promise.all(sockets.map((socket) => once(socket, 'connect')))
        const begun = sockets.map((socket) => beginning(socket, url))
        const began = performance.now()
        assert.equal((await fetch(`${proxy.url}/v2/`)).status, 200)
        const milliseconds = performance.now() - began
        const statuses = await Promise.all(begun)
        assert.ok(statuses.every((status) => status === '200'))
        assert.ok(milliseconds < 2_000, `/v2/ took ${milliseconds} ms beside them`)
        const peak = await proxy.peakMemory()
        assert.ok(peak < 350, `${peak} MiB`)
      } finally {
        for (const socket of sockets) socket.destroy()
      }
      await eventually(async () => (await fetch(`${proxy.url}/v2/`)).status === 200)
    })
  }
})

/** Asks, and takes nothing but the beginning of the answer: its status. */
async function beginning(socket: Socket, url: string): Promise<string | undefined> {
  socket.on('error', () => {})
  socket.write(`GET ${new URL(url).pathname}${new URL(url).search} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await once(socket, 'readable')
  const bytes = (socket.read(Math.min(BEGUN, socket.readableLength)) as Buffer | null) ?? Buffer.alloc(0)
  return /^HTTP\/1\.1 (\d+)/.exec(bytes.toString('latin1'))?.[1]
}
