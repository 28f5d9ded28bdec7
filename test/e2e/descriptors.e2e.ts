import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { type Digest, digestFrom, hasherFor } from '../../src/oci/digest.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { blobUrl, download } from './support/download.ts'
import { missing, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'

const [stored, cold] = [blobOf(100_000, 1), blobOf(100_000, 2)]

suite('F64 a process that may open no more files', { skip: missing('prlimit') }, () => {
  test('who is connected gets the right bytes or a 502, who is not is refused at once, and then all is well again', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    await using proxy = await proxyProcess(folder.path, upstream.url)
    const { pid } = proxy.program
    const allow = (files: number) => succeed('prlimit', ['--pid', String(pid), `--nofile=${files}:`])
    for (const { bytes } of [stored, cold]) upstream.addBlob(bytes)
    assert.equal((await download(blobUrl(proxy, stored.digest))).digest, stored.digest)
    using connection = keptConnection()
    assert.equal(await connection.pull(blobUrl(proxy, stored.digest)), stored.digest)

    await allow(10)
    for (const { digest } of [stored, cold]) {
      const outcome = await connection.pull(blobUrl(proxy, digest))
      // Its connection to upstream may still be open, or not.
      assert.ok(outcome === digest || outcome === 502, `${outcome}`)
    }
    // So many as there are: libuv gives up the one it holds in reserve, to accept with and refuse.
    await allow((await readdir(`/proc/${pid}/fd`)).length)
    {
      using many = heldConnections(Number(new URL(proxy.url).port), 60)
      await eventually(() => many.refused > 0)
    }

    await allow(1024)
    for (const { digest } of [stored, cold]) {
      // Upstream may be left alone for a moment, as if it had been out of order.
      await eventually(async () => (await download(blobUrl(proxy, digest))).digest === digest, 15_000)
    }
    assert.equal((await fetch(`${proxy.adminUrl}/readyz`)).status, 200)
  })
})

/** Pulls over one connection, which stays: the digest of what came, or the status of an answer without. */
function keptConnection(): Disposable & { pull(url: string): Promise<Digest | number | undefined> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return {
    pull: (url) =>
      new Promise((resolve, reject) => {
        const hash = hasherFor()
        get(url, { agent, timeout: 10_000 }, (response) => {
          response.on('data', (chunk: Buffer) => hash.update(chunk))
          response.once('end', () =>
            resolve(response.statusCode === 200 ? digestFrom(hash) : response.statusCode),
          )
        })
          .once('error', reject)
          .once('timeout', () => reject(new Error('no answer')))
      }),
    [Symbol.dispose]: () => agent.destroy(),
  }
}

/** Connections that say nothing. */
function heldConnections(port: number, count: number): Disposable & { readonly refused: number } {
  let refused = 0
  const sockets = Array.from({ length: count }, () =>
    connect({ host: '127.0.0.1', port })
      .resume()
      .on('error', () => {})
      .on('close', () => (refused += 1)),
  )
  return {
    get refused() {
      return refused
    },
    [Symbol.dispose]: () => sockets.forEach((socket) => socket.destroy()),
  }
}
