/** Credentials of a push: to whom they go, and where they are not to be found. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { destinationClient } from '../../src/upstream/destination/destination-client.ts'
import { fakeDestination, type Fault } from '../support/fake-destination.ts'
import { blobOf, selfSignedCertificate } from '../support/fixtures.ts'
import { uploadRig } from '../upload/setup.ts'
import { assertFails } from '../upstream/setup.ts'
import { KiB, push, scene } from './scene.ts'

const credentials = { username: 'ci', password: 'secret of the push' }

/** Another host, which remembers what it is told. */
async function stranger(
  answer: (incoming: IncomingMessage) => { status: number; headers?: Record<string, string> },
) {
  const told: { method: string | undefined; url: string | undefined; authorization: string | undefined }[] =
    []
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    told.push({ method, url, authorization: headers.authorization })
    incoming.resume().once('end', () => {
      const { status, headers } = answer(incoming)
      outgoing.writeHead(status, headers).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    told,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

suite('the credentials of a push', () => {
  test('SEC-03: go to the destination alone, wherever it wants the bytes', async () => {
    await using storage = await stranger(({ method }) => ({ status: method === 'PUT' ? 201 : 404 }))
    await using there = await fakeDestination({
      fault({ step, authorization }): Fault | undefined {
        if (authorization === undefined) {
          return { status: 401, headers: { 'www-authenticate': 'Basic realm="there"' } }
        }
        if (step !== 'begin') return undefined
        return { status: 202, headers: { location: `${storage.url}/put-here?signature=abc%2Fdef` } }
      },
    })
    await using rig = uploadRig(there.url, { credentials })
    assert.equal(await rig.upload(blobOf(20 * KiB)), 'sent')
    const [put] = storage.told
    assert.match(put!.url!, /^\/put-here\?signature=abc%2Fdef&digest=sha256%3A/)
    assert.deepEqual(
      storage.told.map(({ authorization }) => authorization),
      [undefined],
    )
    assert.ok(there.requests.some(({ authorization }) => authorization !== undefined))
  })

  test('SEC-01: go to no token realm that the destination chooses, unless it is named', async () => {
    await using realm = await stranger(() => ({ status: 200 }))
    const challenge = `Bearer realm="${realm.url}/token",service="there"`
    await using there = await fakeDestination({
      fault: () => ({ status: 401, headers: { 'www-authenticate': challenge } }),
    })
    await using rig = uploadRig(there.url, { credentials })
    await assertFails(rig.upload(blobOf(20 * KiB)), 'UPSTREAM_INVALID', { upstream: rig.destination.name })
    assert.equal(realm.told.length, 0)
    await using trusting = uploadRig(there.url, { credentials, tokenRealms: [realm.url] })
    await assert.rejects(trusting.upload(blobOf(20 * KiB)))
    assert.ok(realm.told.some(({ authorization }) => authorization?.startsWith('Basic ')))
  })

  test('an upload that leads from https to http is refused', async () => {
    const { key, cert } = selfSignedCertificate()
    const server = createTlsServer({ key, cert }, (incoming, outgoing) => {
      incoming.resume()
      outgoing.writeHead(202, { location: 'http://127.0.0.1:1/upload' }).end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const destination = destinationClient({ url: `https://127.0.0.1:${port}`, ca: cert })
    try {
      const reason = /unusable location/
      await assertFails(destination.repository('app').begin(), 'UPSTREAM_INVALID', {
        upstream: destination.name,
        reason,
      })
    } finally {
      await destination.close()
      server.closeAllConnections()
      server.close()
    }
  })

  test('SEC-60: are in no log, no job and no audit entry, which names the destination', async () => {
    await using place = await scene({
      fault: ({ authorization }) =>
        authorization === undefined
          ? { status: 401, headers: { 'www-authenticate': 'Basic realm="there"' } }
          : undefined,
    })
    const { there, proxy } = place
    const { report } = await push(proxy, `${there.url}/cache`, {}, credentials)
    assert.equal(report.pushed, 2)
    const get = async (path: string) => (await fetch(`${proxy.adminUrl}/api/v1/${path}`)).text()
    const audit = await get('audit')
    const { action, target, by } = (JSON.parse(audit) as { audit: Record<string, string>[] }).audit[0]!
    assert.deepEqual([action, by], ['push', 'this machine'])
    assert.equal(target, `** to ${new URL(there.url).host}/cache`)
    const encoded = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    for (const text of [audit, await get('jobs'), JSON.stringify(proxy.log), metrics]) {
      assert.ok(!text.includes(credentials.password) && !text.includes(encoded))
    }
  })

  test('that are wrong are an error that says so, image by image', async () => {
    await using place = await scene({
      fault: () => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="there"' } }),
    })
    const { images, report } = await push(place.proxy, place.there.url, {}, credentials)
    assert.deepEqual([report.failed, report.pushed], [2, 0])
    for (const { reason } of images.values())
      assert.match(reason!, /access denied \(401.*\): check the credentials/)
  })
})
