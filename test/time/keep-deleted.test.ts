/** Tags that upstream has deleted, and a rule keeps. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ImageJson } from '../../src/admin/image-json.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Why } from '../../src/ports/insight/why.ts'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { descriptorOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'
import { tempFolder } from '../support/temp-folder.ts'

const [one, two] = ['one', 'two'].map((text) => manifestOf([Buffer.from(text)])) as [Buffer, Buffer]

async function pull({ port }: Proxy, tag: string, repository = 'app') {
  const { status, headers, body } = await call(port, 'GET', `/v2/${repository}/manifests/${tag}`)
  return { status, cache: headers['cache-status'], warning: headers['warning'], text: body.toString() }
}

async function whyOf({ adminUrl }: Proxy, image: string): Promise<Why> {
  return (await (await fetch(`${adminUrl}/api/v1/why?image=${encodeURIComponent(image)}`)).json()) as Why
}

suite('cache.keepDeleted', { concurrency: true }, () => {
  test('a tag that upstream has deleted is served as it was last, and says so', async () => {
    await using upstream = await fakeUpstream()
    await using folder = await tempFolder()
    for (const tag of ['v1', 'latest']) upstream.addManifest('library/app', tag, one, OCI_MANIFEST)
    const config = { cache: { tags: [], negative: '0s', keepDeleted: ['app:v*'] } }
    const options = { upstream, config, folder: folder.path }
    {
      await using proxy = await startProxy(options)
      for (const tag of ['v1', 'latest']) {
        assert.equal((await pull(proxy, tag)).status, 200)
        upstream.content.removeTag('library/app', tag)
      }
      assert.equal((await pull(proxy, 'latest')).status, 404)
      assert.equal((await pull(proxy, 'v0')).status, 404)
      const kept = await pull(proxy, 'v1')
      assert.equal(kept.text, one.toString())
      assert.equal(kept.cache, 'entrepot; fwd=stale; fwd-status=404; detail=deleted')
      assert.match(
        kept.warning as string,
        /^299 - "docker\.io has deleted library\/app:v1: this cache serves/,
      )
      const { tag, verdict } = await whyOf(proxy, 'app:v1')
      assert.ok(Math.abs(Date.parse(tag!.deletedAt!) - Date.now()) < 60_000)
      assert.match(verdict, /docker\.io has deleted the tag \(2.*, and cache\.keepDeleted keeps it$/)
      const refreshed = await runCommand(['refresh', 'app:v1', '--server', proxy.adminUrl])
      assert.equal(refreshed.code, 1)
      assert.match(
        refreshed.stdout,
        /app:v1: does not exist upstream; pulls get sha256:\w+, which cache\.keepDeleted keeps\n$/,
      )
    }
    {
      // Fresh, it is served without a request, and marked too.
      const cache = { ...config.cache, tags: [{ match: '.*', fresh: '1h' }] }
      await using proxy = await startProxy({ ...options, config: { cache } })
      const before = upstream.requests.length
      const kept = await pull(proxy, 'v1')
      assert.equal(kept.text, one.toString())
      assert.match(kept.cache as string, /^entrepot; hit; ttl=3\d{3}; detail=deleted$/)
      assert.equal(upstream.requests.length, before)
    }
    {
      await using proxy = await startProxy(options)
      upstream.addManifest('library/app', 'v1', two, OCI_MANIFEST)
      const back = await pull(proxy, 'v1')
      assert.equal(back.text, two.toString())
      assert.doesNotMatch(back.cache as string, /deleted/)
      assert.equal((await whyOf(proxy, 'app:v1')).tag?.deletedAt, null)
    }
    // Without the rule it is forgotten.
    upstream.content.removeTag('library/app', 'v1')
    await using proxy = await startProxy({ ...options, config: { cache: { tags: [], negative: '0s' } } })
    assert.equal((await pull(proxy, 'v1')).status, 404)
  })

  test('what upstream has deleted is listed, with a tag or without', async () => {
    await using upstream = await fakeUpstream()
    for (const [tag, body] of [
      ['v1', one],
      ['latest', two],
      ['other', one],
    ] as const)
      upstream.addManifest(tag === 'other' ? 'library/web' : 'library/app', tag, body, OCI_MANIFEST)
    const cache = { tags: [], negative: '0s', keepDeleted: ['app:v*'] }
    await using proxy = await startProxy({ upstream, config: { cache } })
    for (const tag of ['v1', 'latest']) {
      await pull(proxy, tag)
      upstream.content.removeTag('library/app', tag)
      await pull(proxy, tag)
    }
    const ls = async (...args: string[]) => {
      const { stdout } = await runEntrepot('ls', ...args, '--json', '--server', proxy.adminUrl)
      return (JSON.parse(stdout) as ImageJson[]).map(({ image, vanishing }) => [image, vanishing]).toSorted()
    }
    const gone = `docker.io/library/app@${descriptorOf(two).digest}`
    assert.deepEqual(await ls('--vanishing'), [
      ['docker.io/library/app:v1', true],
      [gone, true],
    ])
    assert.match((await runEntrepot('ls', '--server', proxy.adminUrl)).stdout, /app:v1 .* vanishing$/m)
    // Another tag points to the same content.
    await pull(proxy, 'other', 'web')
    assert.deepEqual(await ls('app:v1'), [['docker.io/library/app:v1', false]])
  })

  test('a denial is no deletion', async () => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', 'v1', one, OCI_MANIFEST)
    await using proxy = await startProxy({ upstream, config: { cache: { tags: [], keepDeleted: ['**'] } } })
    assert.equal((await pull(proxy, 'v1')).status, 200)
    upstream.on(/manifests/, { status: 403, times: Infinity })
    assert.equal((await pull(proxy, 'v1')).status, 404)
  })
})
