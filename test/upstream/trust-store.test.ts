import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemTrust } from '../../src/upstream/net/trust-store.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, selfSignedCertificate } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { assertFails, connectTo } from './setup.ts'

const { bytes, digest } = blobOf(1000)

async function setting(t: TestContext) {
  const temp = await tempFolder()
  t.after(() => temp[Symbol.asyncDispose]())
  const problems: string[] = []
  const file = join(temp.path, 'bundle.crt')
  return {
    file,
    problems,
    failed: (problem: unknown) => void problems.push((problem as Error).message),
    /** As Kubernetes and careful people do. */
    async replace(text: string): Promise<void> {
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
    },
  }
}

/** Nothing is kept open between the requests of a test: each proves the upstream anew. */
async function upstreamWith(tls: { key: string; cert: string }) {
  const upstream = await fakeUpstream({ tls })
  upstream.addBlob(bytes)
  return upstream
}
const stat = (client: ReturnType<typeof connectTo>) => client.repository().statBlob(digest)
const UNKNOWN = { reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' }

test('FR-36 an authority in the bundle of the system is trusted, and followed', async (t) => {
  const { file, problems, failed, replace } = await setting(t)
  const company = selfSignedCertificate()
  await using upstream = await upstreamWith(company)
  await replace(selfSignedCertificate().cert)
  const system = systemTrust({ env: {}, bundles: ['/nowhere', file], failed })
  await using client = connectTo(upstream.url, { systemTrust: system })
  await assertFails(stat(client), 'UPSTREAM_UNAVAILABLE', UNKNOWN)
  await replace(`# a comment\n${selfSignedCertificate().cert}\n${company.cert}`)
  assert.equal((await stat(client))?.size, bytes.length)

  await t.test('FR-36 SEC-88 emptied, it stays what it was, and somebody is told once', async () => {
    await replace('')
    for (let i = 0; i < 3; i++) assert.equal((await stat(client))?.size, bytes.length)
    assert.deepEqual(problems, ['the CA bundle of the system is empty or malformed'])
    await replace(selfSignedCertificate().cert)
    await assertFails(stat(client), 'UPSTREAM_UNAVAILABLE', UNKNOWN)
  })
})

test('FR-36 SSL_CERT_FILE names the bundle', async (t) => {
  const { file, failed, replace } = await setting(t)
  const company = selfSignedCertificate()
  await using upstream = await upstreamWith(company)
  await replace(company.cert)
  const system = systemTrust({ env: { SSL_CERT_FILE: file }, failed })
  await using client = connectTo(upstream.url, { systemTrust: system })
  assert.equal((await stat(client))?.size, bytes.length)
})

test("FR-36 without a bundle, or with one of no use, there are Node's own authorities", async (t) => {
  const { file, problems, failed } = await setting(t)
  assert.equal(await systemTrust({ env: {}, bundles: ['/nowhere'], failed }).context(), undefined)
  assert.deepEqual(problems, [])
  const missing = systemTrust({ env: { SSL_CERT_FILE: file }, failed })
  for (let i = 0; i < 3; i++) assert.equal(await missing.context(), undefined)
  assert.deepEqual(problems, ['the CA bundle of the system cannot be read: ENOENT'])
})

test('FR-36 a context is made once for as long as the authorities are the same', async (t) => {
  const { file, failed, replace } = await setting(t)
  await replace(selfSignedCertificate().cert)
  const system = systemTrust({ env: {}, bundles: [file], failed })
  const context = await system.context()
  assert.ok(context !== undefined)
  assert.equal(await system.context(), context)
  await replace(selfSignedCertificate().cert)
  assert.notEqual(await system.context(), context)
})

test('FR-35 SEC-88 the ca of an upstream is followed, and never to something of no use', async (t) => {
  const { file, problems, failed, replace } = await setting(t)
  const [old, renewed] = [selfSignedCertificate(), selfSignedCertificate()]
  await replace(old.cert)
  await using upstream = await upstreamWith(renewed)
  await using client = connectTo(upstream.url, { ca: old.cert, caFile: file, reloadFailed: failed })
  await assertFails(stat(client), 'UPSTREAM_UNAVAILABLE')
  await replace(renewed.cert)
  assert.equal((await stat(client))?.size, bytes.length)
  const useless = [
    '',
    'not PEM',
    renewed.cert.slice(0, 200),
    `${renewed.cert}${old.cert.replace('MII', 'AAA')}`,
  ]
  for (const text of useless) {
    await replace(text)
    assert.equal((await stat(client))?.size, bytes.length)
  }
  assert.deepEqual(problems, ['the ca file is empty or malformed'])
})
