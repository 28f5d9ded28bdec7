/** Views of the past in the whole proxy. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { suite, test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import type { ImageJson } from '../../../src/admin/image-json.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import type { RunReport } from '../../../src/ports/time.ts'
import { runEntrepot } from '../../support/child.ts'
import { openStore } from '../../storage/setup.ts'
import { fakeUpstream } from '../../support/fake-upstream.ts'
import { descriptorOf, eventually, indexOf, manifestOf } from '../../support/fixtures.ts'
import { type Proxy, startProxy } from '../../support/proxy.ts'
import { tempFolder } from '../../support/temp-folder.ts'

const [one, two, three] = ['one', 'two', 'three'].map((text) => manifestOf([Buffer.from(text)])) as [
  Buffer,
  Buffer,
  Buffer,
]
const digestOf = (body: Buffer): Digest => descriptorOf(body).digest
const APP = { upstream: 'docker.io', name: 'library/app' }
const day = (text: string) => Date.parse(`${text}T12:00:00Z`)

const views = { asOf: true, run: true, host: 'cache.test' }
/** A past that nobody retains goes with the next sweep, which would come each five minutes of the clock. */
const cache = { sweep: '0 0 29 2 *' }

async function pull({ port }: Proxy, path: string, host = `127.0.0.1:${port}`) {
  const sent = get({ host: '127.0.0.1', port, path, headers: { host }, agent: false })
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const body = await text(answer)
  return {
    status: answer.statusCode!,
    headers: answer.headers,
    text: body,
    cache: answer.headers['cache-status'],
  }
}

/** A store in which `app:latest` was `one` on the 1st, `two` from the 3rd on, and gone from the 5th to the 7th. */
async function withPast(folder: string) {
  let now = 0
  await using store = await openStore(join(folder, 'data'), { now: () => now })
  const set = async (text: string, body: Buffer, tag = 'latest') => {
    now = day(text)
    await store.tags.set(APP, tag, { digest: digestOf(body), checkedAt: now })
  }
  await set('2026-01-01', one)
  await set('2026-01-03', two)
  now = day('2026-01-05')
  await store.tags.remove(APP, 'latest')
  await set('2026-01-07', three)
  await set('2026-01-07', three, 'young')
  for (const tag of ['latest', 'young']) await store.tags.get(APP, tag)
}

suite('as of', { concurrency: true }, () => {
  test('a tag resolves to what it was seen to be, by path, by ns and by host', async () => {
    await using upstream = await fakeUpstream()
    for (const body of [one, two, three]) upstream.addManifest('library/app', 'x', body, OCI_MANIFEST)
    await using folder = await tempFolder()
    await withPast(folder.path)
    await using proxy = await startProxy({ upstream, config: { views, cache }, folder: folder.path })
    const expected: readonly (readonly [string, Buffer])[] = [
      ['20260102', one],
      ['20260103', one],
      ['20260103t115959z', one],
      ['20260103t120000z', two],
      ['20260105t115959z', two],
      ['20260107t120000z', three],
      ['20260120', three],
    ]
    for (const [instant, body] of expected) {
      const byPath = await pull(proxy, `/v2/asof/${instant}/app/manifests/latest`)
      assert.equal(byPath.text, body.toString(), instant)
      assert.equal(byPath.headers['docker-content-digest'], digestOf(body))
    }
    const again = await pull(proxy, '/v2/asof/20260102/docker.io/library/app/manifests/latest')
    assert.equal(again.cache, 'entrepot; hit; detail=as-of')
    const byNs = await pull(proxy, '/v2/asof/20260104/library/app/manifests/latest?ns=docker.io')
    assert.equal(byNs.text, two.toString())
    const host = '20260104.asof.cache.test:5000'
    assert.equal((await pull(proxy, '/v2/library/app/manifests/latest', host)).text, two.toString())
    assert.equal((await pull(proxy, `/v2/library/app/manifests/${digestOf(one)}`, host)).text, one.toString())

    const list = async (instant: string, query = '') => {
      const { text, headers } = await pull(proxy, `/v2/asof/${instant}/app/tags/list${query}`)
      return [JSON.parse(text).tags, headers['link']]
    }
    assert.deepEqual(await list('20260104'), [['latest'], undefined])
    assert.deepEqual(await list('20260108'), [['latest', 'young'], undefined])
    assert.deepEqual(await list('20260108', '?n=1'), [
      ['latest'],
      '</v2/asof/20260108/app/tags/list?n=1&last=latest>; rel="next"',
    ])
    assert.equal((await pull(proxy, '/v2/asof/20250101/app/tags/list')).status, 404)
  })

  test('what was not seen, and what is no instant, is a 404 that says why', async () => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', 'latest', three, OCI_MANIFEST)
    await using folder = await tempFolder()
    await withPast(folder.path)
    await using proxy = await startProxy({ upstream, config: { views, cache }, folder: folder.path })
    const before = upstream.requests.length
    const next = `${new Date().getUTCFullYear() + 1}0101`
    for (const [path, reason] of [
      ['20251231/app/manifests/latest', /first seen 20260101t120000z$/],
      ['20260101t115959z/app/manifests/latest', /first seen 20260101t120000z$/],
      ['20260106/app/manifests/latest', /deleted upstream 20260105t120000z, seen again 20260107t120000z$/],
      ['20260106/app/manifests/other', /never seen the tag$/],
      ['20260106/unseen/manifests/latest', /never seen the tag$/],
      [`${next}/app/manifests/latest`, /lies in the future/],
      ['20260230/app/manifests/latest', /must be a day such as 20261101/],
      ['yesterday/app/manifests/latest', /must be a day such as 20261101/],
      ['20260104/other.example/app/manifests/latest', /other\.example is not a configured upstream$/],
    ] as const) {
      const { status, text } = await pull(proxy, `/v2/asof/${path}`)
      assert.equal(status, 404, path)
      const [error] = JSON.parse(text).errors
      assert.match(error.message, reason, path)
      assert.match(error.detail.reason, reason, path)
    }
    assert.equal(upstream.requests.length, before)
  })

  test('a digest that a cool-down held back then is not served of then', async () => {
    await using upstream = await fakeUpstream()
    for (const body of [one, two, three]) upstream.addManifest('library/app', 'x', body, OCI_MANIFEST)
    await using folder = await tempFolder()
    await withPast(folder.path)
    const config = { views, cache: { coolDown: [{ match: 'app:latest', for: '1d' }] } }
    await using proxy = await startProxy({ upstream, config, folder: folder.path })
    for (const [instant, body] of [
      ['20260104', one],
      ['20260105', two],
      ['20260108', two],
      ['20260109', three],
    ] as const)
      assert.equal(
        (await pull(proxy, `/v2/asof/${instant}/app/manifests/latest`)).text,
        body.toString(),
        instant,
      )
  })

  test('SEC-83: rules of today hold in a view, whatever stands before the name', async () => {
    await using upstream = await fakeUpstream()
    for (const name of ['library/app', 'org/secret']) upstream.addManifest(name, 'latest', one, OCI_MANIFEST)
    const upstreamConfig = { deny: ['org/secret'] }
    await using proxy = await startProxy({ upstream, config: { views, cache }, upstreamConfig })
    assert.equal((await pull(proxy, '/v2/run/1/app/manifests/latest')).status, 200)
    for (const path of [
      'org/secret',
      'run/1/org/secret',
      'run/1/docker.io/org/secret',
      'run/1/docker.io/docker.io/org/secret',
      'asof/20260102/org/secret',
      'asof/20260102/docker.io/org/secret',
      'run/1/run/1/org/secret',
    ])
      assert.ok([403, 404].includes((await pull(proxy, `/v2/${path}/manifests/latest`)).status), path)
    for (const host of ['1.run.cache.test', '20260102.asof.cache.test'])
      assert.equal((await pull(proxy, '/v2/org/secret/manifests/latest', host)).status, 403, host)
  })

  test('without views these are names like others', async () => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('run/1/app', 'latest', one, OCI_MANIFEST)
    await using proxy = await startProxy({ upstream })
    assert.equal((await pull(proxy, '/v2/run/1/app/manifests/latest')).text, one.toString())
  })
})

test('ls --as-of lists the tags as they were seen', async () => {
  await using upstream = await fakeUpstream()
  await using folder = await tempFolder()
  await withPast(folder.path)
  await using proxy = await startProxy({ upstream, folder: folder.path })
  const ls = async (instant: string, pattern = '**') => {
    const { stdout } = await runEntrepot(
      'ls',
      pattern,
      '--as-of',
      instant,
      '--json',
      '--server',
      proxy.adminUrl,
    )
    return (JSON.parse(stdout) as ImageJson[]).map(({ image, digest }) => [image, digest])
  }
  assert.deepEqual(await ls('20260102'), [['docker.io/library/app:latest', digestOf(one)]])
  assert.deepEqual(await ls('20260104'), [['docker.io/library/app:latest', digestOf(two)]])
  assert.deepEqual(await ls('20260106'), [])
  assert.deepEqual(await ls('20260108', 'app:y*'), [['docker.io/library/app:young', digestOf(three)]])
  const text = await runEntrepot('ls', '--as-of', '20260104', '--server', proxy.adminUrl)
  assert.match(text.stdout, new RegExp(`^docker.io/library/app:latest@${digestOf(two).slice(7, 19)} `, 'm'))
  assert.equal((await runEntrepot('ls', '--as-of', 'monday', '--server', proxy.adminUrl)).code, 64)
})

suite('runs', { concurrency: true }, () => {
  test('what a run resolves first is what every job of it gets, also after a restart and in an outage', async () => {
    await using upstream = await fakeUpstream()
    await using folder = await tempFolder()
    const config = { views, cache: { tags: [], negative: '0s' } }
    const options = { upstream, config, folder: folder.path }
    const add = (body: Buffer) => upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
    add(one)
    {
      await using proxy = await startProxy(options)
      const jobs = await Promise.all(
        Array.from({ length: 20 }, () => pull(proxy, '/v2/run/4711/app/manifests/latest')),
      )
      for (const { text } of jobs) assert.equal(text, one.toString())
      add(two)
      const job = await pull(proxy, '/v2/run/4711/docker.io/library/app/manifests/latest')
      assert.equal(job.text, one.toString())
      assert.equal(job.cache, 'entrepot; hit; detail=run')
      const host = '4711.run.cache.test'
      assert.equal((await pull(proxy, '/v2/library/app/manifests/latest', host)).text, one.toString())
      assert.equal((await pull(proxy, '/v2/run/4712/app/manifests/latest')).text, two.toString())
      assert.equal((await pull(proxy, '/v2/app/manifests/latest')).text, two.toString())
      upstream.content.removeTag('library/app', 'latest')
      assert.equal((await pull(proxy, '/v2/app/manifests/latest')).status, 404)
      assert.equal((await pull(proxy, '/v2/run/4713/app/manifests/latest')).status, 404)
    }
    await upstream.stop()
    await using proxy = await startProxy(options)
    assert.equal((await pull(proxy, '/v2/run/4711/app/manifests/latest')).text, one.toString())
    assert.equal((await pull(proxy, '/v2/run/4712/app/manifests/latest')).text, two.toString())
    assert.equal((await pull(proxy, '/v2/run/4713/app/manifests/latest')).status, 502)
    assert.equal((await pull(proxy, `/v2/run/${'a'.repeat(129)}/app/manifests/latest`)).status, 404)
  })

  test('the lock file of a run has every image, with its digest and the platforms that were pulled', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config: { views, cache } })
    const platforms = ['amd64', 'arm64'].map((architecture) => {
      const body = manifestOf([Buffer.from(architecture)])
      upstream.addManifest('library/app', architecture, body, OCI_MANIFEST)
      return Object.assign(descriptorOf(body, OCI_MANIFEST), { platform: { os: 'linux', architecture } })
    })
    const index = indexOf(platforms)
    upstream.addManifest('library/app', 'latest', index, OCI_INDEX)
    upstream.addManifest('library/web', 'v1', one, OCI_MANIFEST)
    for (const path of ['app/manifests/latest', `app/manifests/${platforms[0]!.digest}`, 'web/manifests/v1'])
      assert.equal((await pull(proxy, `/v2/run/4711/${path}`)).status, 200)
    await eventually(async () => {
      const { stdout } = await runEntrepot('run', '4711', '--lock', '--server', proxy.adminUrl)
      return stdout.includes(' linux/')
    })
    const { stdout, code } = await runEntrepot('run', '4711', '--lock', '--server', proxy.adminUrl)
    assert.equal(code, 0)
    const [head, ...lines] = stdout.split('\n')
    assert.match(head!, /^# run 4711, 2\S+Z$/)
    assert.deepEqual(lines, [
      `docker.io/library/app:latest@${digestOf(index)} linux/amd64`,
      `docker.io/library/web:v1@${digestOf(one)}`,
      '',
    ])
    const { images } = (await (await fetch(`${proxy.adminUrl}/api/v1/runs/4711`)).json()) as RunReport
    assert.deepEqual(images[0]?.platforms, ['linux/amd64'])
    assert.match((await runEntrepot('run', '4711', '--server', proxy.adminUrl)).stdout, /linux\/amd64/)
    const unknown = await runEntrepot('run', '4712', '--server', proxy.adminUrl)
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /no run 4712 is known/)
  })

  test('jobs that begin at once while the tag moves get one digest', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config: { views, cache: { tags: [] } } })
    for (let run = 0; run < 10; run += 1) {
      const jobs: Promise<{ text: string }>[] = []
      for (const body of [one, two, three, one]) {
        upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
        for (let job = 0; job < 5; job += 1) jobs.push(pull(proxy, `/v2/run/${run}/app/manifests/latest`))
        await Promise.race(jobs)
      }
      assert.equal(new Set((await Promise.all(jobs)).map(({ text }) => text)).size, 1, `run ${run}`)
    }
  })
})
