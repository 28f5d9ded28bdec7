import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { blobUrl, download, leaveAfter, stopAfter } from './support/download.ts'
import { pushBlob } from './support/images.ts'
import { missing, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'

const MiB = 1024 * 1024

suite('a blob of a real registry', { skip: missing('docker-registry', 'curl') }, () => {
  test('50 clients at once on 256 MiB, cold: one GET upstream, every byte right, under 240 MiB of memory', async (t) => {
    await using folder = await tempFolder()
    await using upstream = await realRegistry(folder.path)
    const blob = randomBytes(256 * MiB)
    const digest = digestOf(blob)
    const original = join(folder.path, 'original')
    await writeFile(original, blob)
    await pushBlob(upstream.url, 'library/app', blob)
    const config = { transfers: { connections: 1 } }
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
    await upstream.forget()
    const pull = `curl -sSf ${blobUrl(proxy, digest)} | cmp - ${original}`
    await Promise.all(Array.from({ length: 50 }, () => succeed('sh', ['-c', pull])))
    assert.deepEqual(await upstream.requests(), [
      { method: 'GET', path: `/v2/library/app/blobs/${digest}`, status: 200 },
    ])
    const peak = await proxy.peakMemory()
    t.diagnostic(`peak memory of the proxy: ${Math.round(peak)} MiB`)
    assert.ok(peak < 240, `${peak} MiB`)
  })

  test('the only client leaves at 10 %, and the blob is cached all the same', async () => {
    await using folder = await tempFolder()
    await using upstream = await realRegistry(folder.path)
    const blob = randomBytes(60 * MiB)
    const digest = digestOf(blob)
    await pushBlob(upstream.url, 'library/app', blob)
    const config = { transfers: { connections: 1 } }
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
    await upstream.forget()
    await leaveAfter(blobUrl(proxy, digest), 6 * MiB)
    await eventually(async () => (await proxy.transfers()).length === 0, 20_000)
    assert.equal((await upstream.requests()).length, 1)
    await upstream.stop()
    assert.deepEqual(await download(blobUrl(proxy, digest)), { status: 200, bytes: blob.length, digest })
  })

  test('clients that stop in the middle of long cold blobs hold up nobody, and get every byte right', async () => {
    const size = 100 * MiB
    await using folder = await tempFolder()
    await using upstream = await realRegistry(folder.path)
    const digests = []
    for (let i = 0; i < 7; i++) {
      const blob = randomBytes(size)
      await pushBlob(upstream.url, 'library/app', blob)
      digests.push(digestOf(blob))
    }
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
    const [last, ...others] = digests.map((digest) => blobUrl(proxy, digest))
    const goOn = await Promise.all(others.map((url) => stopAfter(url, 3 * MiB)))
    assert.deepEqual(await download(last!), { status: 200, bytes: size, digest: digests[0] })
    await eventually(async () => (await proxy.transfers()).length === 0, 30_000)
    const all = await Promise.all(goOn.map((rest) => rest()))
    assert.deepEqual(
      all,
      digests.slice(1).map((digest) => ({ status: 200, bytes: size, digest })),
    )
  })
})
