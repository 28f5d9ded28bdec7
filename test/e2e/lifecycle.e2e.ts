import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { blobUrl, download } from './support/download.ts'
import { freePort, insist, missing } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'

const MiB = 1024 * 1024
/** Milliseconds. */
const LOADED = 3_000

suite('a process that is started, stopped and killed', { skip: missing() }, () => {
  test('with no upstream it listens and waits for nothing, is ready, and a pull is a 502 that names the upstream', async (t) => {
    await using folder = await tempFolder()
    const upstreamUrl = `http://127.0.0.1:${await freePort()}`
    let fastest = Infinity
    // Loading the program takes a second on a slow machine, and longer on a busy one; a wait for an upstream, five.
    for (let start = 0; start < 10 && fastest >= LOADED; start++) {
      const begun = performance.now()
      await using proxy = await proxyProcess(folder.path, upstreamUrl)
      fastest = Math.min(fastest, performance.now() - begun)
      assert.equal((await fetch(`${proxy.adminUrl}/readyz`)).status, 200)
      const signal = AbortSignal.timeout(5_000)
      const answer = await fetch(`${proxy.url}/v2/library/app/manifests/latest`, { signal })
      assert.equal(answer.status, 502)
      const { errors } = (await answer.json()) as {
        errors: { detail: { upstream: string; reason: string } }[]
      }
      assert.equal(errors[0]?.detail.upstream, 'docker.io')
      assert.equal(errors[0]?.detail.reason, 'ECONNREFUSED')
    }
    t.diagnostic(`listening after ${Math.round(fastest)} ms`)
    assert.ok(fastest < LOADED, `${fastest} ms`)
  })

  test('F80 SIGTERM: the pull that runs is finished, and the exit code is 0', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream({ bytesPerSecond: 20 * MiB })
    await using proxy = await proxyProcess(folder.path, upstream.url)
    const { bytes, digest } = blobOf(20 * MiB)
    upstream.addBlob(bytes)
    const pulling = download(blobUrl(proxy, digest))
    await eventually(() => upstream.bodyBytes(/blobs/) > MiB)
    proxy.program.kill('SIGTERM')
    assert.equal((await pulling).digest, digest)
    assert.equal(await proxy.program.exited, 0)
  })

  test('F81 a second SIGTERM ends it at once, and the store opens again', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream({ bytesPerSecond: MiB })
    const { bytes, digest } = blobOf(8 * MiB)
    upstream.addBlob(bytes)
    {
      await using proxy = await proxyProcess(folder.path, upstream.url)
      const pulling = assert.rejects(download(blobUrl(proxy, digest)))
      await eventually(() => upstream.bodyBytes(/blobs/) > MiB / 2)
      proxy.program.kill('SIGTERM')
      await proxy.program.line((line) => (line.includes('"stopping"') ? true : undefined))
      assert.equal(await insist(proxy.program, 'SIGTERM'), 1)
      await pulling
    }
    await using again = await proxyProcess(folder.path, upstream.url)
    assert.equal((await fetch(`${again.adminUrl}/readyz`)).status, 200)
  })

  for (const connections of [1, 4]) {
    test(`kill -9 at half of 512 MiB over ${connections} connections: at most 0.55 of it is fetched again, and the hash is right`, async (t) => {
      await using folder = await tempFolder()
      await using upstream = await fakeUpstream({ bytesPerSecond: (256 * MiB) / connections })
      const { bytes, digest } = blobOf(512 * MiB)
      upstream.addBlob(bytes)
      const config = { transfers: { connections } }
      {
        await using proxy = await proxyProcess(folder.path, upstream.url, config)
        const pulling = assert.rejects(download(blobUrl(proxy, digest)))
        await eventually(async () => {
          const [transfer] = await proxy.transfers()
          return transfer !== undefined && transfer.filled >= bytes.length / 2
        }, 30_000)
        proxy.program.kill('SIGKILL')
        assert.equal(await proxy.program.exited, 'SIGKILL')
        await pulling
      }
      await eventually(() => upstream.connections === 0)
      const before = upstream.bodyBytes(/blobs/)
      await using again = await proxyProcess(folder.path, upstream.url, config)
      assert.equal((await download(blobUrl(again, digest))).digest, digest)
      const fetched = (upstream.bodyBytes(/blobs/) - before) / bytes.length
      t.diagnostic(`fetched before: ${(before / bytes.length).toFixed(3)}, again: ${fetched.toFixed(3)}`)
      assert.ok(fetched <= 0.55, `${fetched}`)
    })
  }

  test('upstream killed at 60 % of 512 MiB and restarted: the same answer completes', async (t) => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream({ bytesPerSecond: 400 * MiB })
    const { bytes, digest } = blobOf(512 * MiB)
    upstream.addBlob(bytes)
    await using proxy = await proxyProcess(folder.path, upstream.url)
    const pulling = Promise.all([download(blobUrl(proxy, digest)), download(blobUrl(proxy, digest))])
    await eventually(() => upstream.bodyBytes(/blobs/) >= 0.6 * bytes.length, 30_000)
    await upstream.stop()
    await eventually(async () => {
      const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
      return /entrepot_transfer_resumes_total\{upstream="docker.io"\} [1-9]/.test(metrics)
    })
    await upstream.start()
    for (const one of await pulling) assert.equal(one.digest, digest)
    const ratio = upstream.bodyBytes(/blobs/) / bytes.length
    t.diagnostic(`upstream body bytes: ${ratio.toFixed(3)} of the blob`)
    assert.ok(ratio <= 1.05, `${ratio}`)
  })

  test('F60 a full disk (tmpfs): clients get what fits and what does not', async () => {
    assert.equal(process.getuid?.(), 0, 'mounting a small disk needs root')
    await using folder = await tempFolder()
    const root = join(folder.path, 'small')
    await mkdir(root)
    await using upstream = await fakeUpstream()
    const config = { storage: { root, minFree: 0 } }
    await using proxy = await proxyProcess(folder.path, upstream.url, config, {
      smallDisk: { at: root, size: '8m' },
    })
    const [fits, tooBig] = [blobOf(MiB, 1), blobOf(20 * MiB, 2)]
    for (const { bytes } of [fits, tooBig]) upstream.addBlob(bytes)
    assert.equal((await download(blobUrl(proxy, fits.digest))).digest, fits.digest)
    for (let i = 0; i < 3; i++) {
      const all = await Promise.all([1, 2].map(() => download(blobUrl(proxy, tooBig.digest))))
      for (const one of all) assert.equal(one.digest, tooBig.digest)
    }
    assert.equal((await download(blobUrl(proxy, fits.digest))).digest, fits.digest)
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    assert.match(metrics, /entrepot_store_errors_total\{operation="\w+"\} [1-9]/)
  })
})
