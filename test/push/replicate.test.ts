/** Rules that push what is stored to another registry. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeDestination } from '../support/fake-destination.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'

const KiB = 1024

function addImage(upstream: FakeUpstream, repository: string, tag: string, seed: number) {
  const config = Buffer.from('{}')
  const layer = blobOf(40 * KiB, seed)
  upstream.addBlob(config)
  upstream.addBlob(layer.bytes)
  const body = manifestOf([layer.bytes])
  upstream.addManifest(repository, tag, body, OCI_MANIFEST)
  return { digest: descriptorOf(body).digest, blobs: [descriptorOf(config).digest, layer.digest] }
}

async function pull(proxy: Proxy, repository: string, tag: string, blobs: readonly string[]): Promise<void> {
  for (const path of [`manifests/${tag}`, ...blobs.map((digest) => `blobs/${digest}`)]) {
    const answer = await fetch(`${proxy.url}/v2/${repository}/${path}`)
    assert.equal(answer.status, 200)
    await answer.arrayBuffer()
  }
}

suite('a replicate rule', () => {
  test('pushes an image soon after it was stored, and what was stored before at the start', async () => {
    await using upstream = await fakeUpstream()
    await using there = await fakeDestination()
    await using folder = await tempFolder()
    const one = addImage(upstream, 'org/one', '1', 1)
    const two = addImage(upstream, 'org/two', '1', 2)
    const other = addImage(upstream, 'other/three', '1', 3)
    {
      await using before = await startProxy({ upstream, folder: folder.path })
      await pull(before, 'org/one', '1', one.blobs)
    }
    await writeFile(join(folder.path, 'password'), 'secret of site b\n')
    const rule = {
      images: ['org/*'],
      to: `${there.url}/cache`,
      username: 'ci',
      passwordFile: 'password',
    }
    await using proxy = await startProxy({
      upstream,
      folder: folder.path,
      config: { replicate: [rule] },
    })
    const has = (repository: string, digest: string) =>
      there.manifests.get(repository)?.get('1') !== undefined && there.pull(repository, '1') === digest
    await eventually(() => has('cache/org/one', one.digest), 20_000)
    await pull(proxy, 'other/three', '1', other.blobs)
    await pull(proxy, 'org/two', '1', two.blobs)
    await eventually(() => has('cache/org/two', two.digest), 20_000)
    assert.equal(there.manifests.get('cache/other/three'), undefined)
    const { jobs } = (await (await fetch(`${proxy.adminUrl}/api/v1/jobs`)).json()) as {
      jobs: { kind: string; target: string }[]
    }
    assert.ok(
      jobs.length > 0 &&
        jobs.every(({ kind, target }) => kind === 'replicate' && /replicate\[0\]/.test(target)),
    )
    assert.ok(!JSON.stringify([proxy.log, jobs]).includes('secret of site b'))
  })

  test('pushes what a cool-down has held back when it is held back no more', async () => {
    await using upstream = await fakeUpstream()
    await using there = await fakeDestination()
    const before = addImage(upstream, 'org/one', '1', 1)
    await using proxy = await startProxy({
      upstream,
      config: {
        cache: { coolDown: [{ match: 'org/*', for: '1h' }], tags: [{ match: '.*', fresh: '0s' }] },
        replicate: [{ images: ['org/*'], to: there.url }],
      },
    })
    const has = (digest: string) =>
      there.manifests.get('org/one')?.get('1') !== undefined && there.pull('org/one', '1') === digest
    await pull(proxy, 'org/one', '1', before.blobs)
    await eventually(() => has(before.digest), 20_000)
    const after = addImage(upstream, 'org/one', '1', 2)
    const pushes = async () => {
      const { jobs } = (await (await fetch(`${proxy.adminUrl}/api/v1/jobs`)).json()) as {
        jobs: { state: string; said: string }[]
      }
      return jobs.filter(({ state, said }) => state === 'done' && /1 unchanged/.test(said)).length
    }
    const unchanged = await pushes()
    // The tag is seen to move, and the push of what is served finds nothing to do.
    await pull(proxy, 'org/one', '1', before.blobs)
    await eventually(async () => (await pushes()) > unchanged, 20_000)
    assert.ok(has(before.digest))
    const trusted = await fetch(`${proxy.adminUrl}/api/v1/trust`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ image: `org/one@${after.digest}` }),
    })
    assert.equal(trusted.status, 201)
    await eventually(() => has(after.digest), 20_000)
  })
})
