/** Cool-downs in the whole proxy: what clients get by tag after a tag was poisoned. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Why } from '../../src/ports/insight/why.ts'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

const CLIENTS = 50
const [good, bad, other] = ['good', 'bad', 'other'].map((text) => manifestOf([Buffer.from(text)]))

const coolDown = [{ match: 'app:latest', for: '3d' }]
const config = { cache: { tags: [], negative: '0s', coolDown } }

async function bodies({ port }: Proxy, path = '/v2/app/manifests/latest') {
  const answers = await Promise.all(Array.from({ length: CLIENTS }, () => call(port, 'GET', path)))
  for (const { status } of answers) assert.equal(status, 200)
  return {
    bodies: new Set(answers.map(({ body }) => body.toString())),
    statuses: new Set(answers.map(({ headers }) => headers['cache-status'])),
  }
}

async function whyOf({ adminUrl }: Proxy, image: string): Promise<Why> {
  return (await (await fetch(`${adminUrl}/api/v1/why?image=${encodeURIComponent(image)}`)).json()) as Why
}

suite('cool-down', { concurrency: true }, () => {
  test('a poisoned tag reaches none of 50 clients, after a restart, in an outage, until it is trusted', async () => {
    await using upstream = await fakeUpstream()
    await using folder = await tempFolder()
    const options = { upstream, config, folder: folder.path }
    const add = (body: Buffer) => upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
    let poisoned = ''
    {
      await using proxy = await startProxy(options)
      const { digest } = add(good!)
      assert.deepEqual((await bodies(proxy)).bodies, new Set([good!.toString()]))
      poisoned = add(bad!).digest
      const held = await bodies(proxy)
      assert.deepEqual(held.bodies, new Set([good!.toString()]))
      assert.deepEqual(held.statuses, new Set(['entrepot; hit; detail=cool-down']))
      const head = await call(proxy.port, 'HEAD', '/v2/app/manifests/latest')
      assert.equal(head.headers['docker-content-digest'], digest)
      // By digest it is to be had: whoever asks for it knows what they ask for.
      assert.equal((await call(proxy.port, 'GET', `/v2/app/manifests/${poisoned}`)).status, 200)

      const why = await whyOf(proxy, 'app:latest')
      assert.equal(why.tag?.digest, poisoned)
      assert.equal(why.tag.coolDown?.served, digest)
      assert.equal(why.stored?.digest, digest)
      const left = Date.parse(why.tag.coolDown.until) - Date.now()
      assert.ok(left > 2.9 * 86_400_000 && left <= 3 * 86_400_000, `${left} ms`)
      assert.match(why.verdict, /the previous digest is served until 2\S+Z \(cache\.coolDown\)$/)
      assert.equal(why.advice, `to serve the new one now: entrepot trust docker.io/library/app@${poisoned}`)
    }
    await upstream.stop()
    {
      await using proxy = await startProxy(options)
      assert.deepEqual((await bodies(proxy)).bodies, new Set([good!.toString()]))
      const trust = (...args: string[]) => runEntrepot('trust', ...args, '--server', proxy.adminUrl)
      const done = await trust(`app@${poisoned}`)
      assert.equal(done.stdout, `trusted: docker.io/library/app@${poisoned}\n`)
      assert.equal(done.code, 0)
      assert.deepEqual((await bodies(proxy)).bodies, new Set([bad!.toString()]))
      assert.match((await trust()).stdout, new RegExp(`docker\\.io/library/app@${poisoned}`))
      assert.equal((await whyOf(proxy, 'app:latest')).tag?.coolDown, null)
    }
    {
      await using proxy = await startProxy(options)
      assert.deepEqual((await bodies(proxy)).bodies, new Set([bad!.toString()]))
      const removed = await runEntrepot('trust', `app@${poisoned}`, '--remove', '--server', proxy.adminUrl)
      assert.equal(removed.code, 0)
      assert.deepEqual((await bodies(proxy)).bodies, new Set([good!.toString()]))
      const again = await runEntrepot('trust', `app@${poisoned}`, '--remove', '--server', proxy.adminUrl)
      assert.equal(again.code, 1)
      const { audit } = (await (await fetch(`${proxy.adminUrl}/api/v1/audit`)).json()) as {
        audit: { action: string }[]
      }
      assert.equal(audit[0]?.action, 'distrust')
    }
  })

  test('a tag that is deleted and pushed anew, or moved more often than is remembered, stays held', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config })
    const add = (body: Buffer) => upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
    const pulled = () => call(proxy.port, 'GET', '/v2/app/manifests/latest')
    add(good!)
    assert.deepEqual((await pulled()).body, good)
    upstream.content.removeTag('library/app', 'latest')
    assert.equal((await pulled()).status, 404)
    add(bad!)
    assert.deepEqual((await pulled()).body, good)
    for (let i = 0; i < 120; i += 1) {
      add(i % 2 === 0 ? other! : bad!)
      assert.deepEqual((await pulled()).body, good, `move ${i}`)
    }
  })

  test('tags that no rule matches move at once, and a first match of 0 s is an exception', async () => {
    await using upstream = await fakeUpstream()
    const rules = [{ match: 'app:v*', for: '0s' }, { match: 'app', for: '1h' }] // prettier-ignore
    await using proxy = await startProxy({ upstream, config: { cache: { tags: [], coolDown: rules } } })
    for (const [repository, tag, last] of [
      ['app', 'v1', bad!],
      ['app', 'latest', good!],
      ['web', 'latest', bad!],
    ] as const) {
      for (const body of [good!, bad!]) {
        upstream.addManifest(`library/${repository}`, tag, body, OCI_MANIFEST)
        const { status } = await call(proxy.port, 'GET', `/v2/${repository}/manifests/${tag}`)
        assert.equal(status, 200)
      }
      const { body } = await call(proxy.port, 'GET', `/v2/${repository}/manifests/${tag}`)
      assert.deepEqual(body, last, `${repository}:${tag}`)
    }
  })

  test('trust takes a digest of a configured upstream', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config })
    const post = (image: string) =>
      fetch(`${proxy.adminUrl}/api/v1/trust`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ image }),
      })
    const digest = `sha256:${'1'.repeat(64)}`
    for (const image of ['app', 'app:latest', 'app@sha256:12', `other.example/app@${digest}`])
      assert.equal((await post(image)).status, 400, image)
    assert.equal((await post(`app@${digest}`)).status, 201)
    assert.equal((await post(`app@${digest}`)).status, 200)
  })
})
