/** Which endpoint a name belongs to: across restarts, and as `status`, `why` and the metrics tell it. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'
import { runCommand } from './support/run-command.ts'
import { tempFolder } from './support/temp-folder.ts'

const PATH = '/v2/library/app/manifests/v1'
const LIST = '/v2/library/app/tags/list'
const [ofFirst, ofSecond] = [blobOf(100, 1), blobOf(100, 2)].map(({ bytes }) => manifestOf([bytes])) as [
  Buffer,
  Buffer,
]

async function twoEndpoints() {
  const stack = new AsyncDisposableStack()
  const [first, second] = [stack.use(await fakeUpstream()), stack.use(await fakeUpstream())]
  first.addManifest('library/app', 'v1', ofFirst, OCI_MANIFEST)
  second.addManifest('library/app', 'v1', ofSecond, OCI_MANIFEST)
  const { path: folder } = stack.use(await tempFolder())
  return {
    first,
    second,
    /** A process on the same store. */
    start: (urls: readonly string[] = [first.url, second.url], more: object = {}) =>
      startProxy({
        upstream: first,
        folder,
        config: {
          cache: { tags: [{ match: '.*', fresh: '0s' }], negative: '0s', lists: '0s', staleIfError: '0s' },
          upstreams: {
            'docker.io': {
              endpoints: urls,
              ...more,
              timeouts: { connect: '1s', headers: '5s', idle: '1s' },
            },
          },
        },
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const digestAt = async (port: number) => (await call(port, 'GET', PATH)).headers['docker-content-digest']

suite('the endpoint that a name belongs to', () => {
  for (const [what, path] of [
    ['answered for a tag', PATH],
    ['listed the tags', LIST],
  ] as const) {
    test(`one that has ${what} keeps it after a restart`, async () => {
      await using both = await twoEndpoints()
      {
        await using proxy = await both.start()
        assert.equal((await call(proxy.port, 'GET', path)).status, 200)
      }
      both.first.on(/./, { status: 404, times: 1000 })
      await using proxy = await both.start()
      assert.equal((await call(proxy.port, 'GET', PATH)).status, 404)
      assert.equal(both.second.requests.length, 0)
    })
  }

  test('the second keeps what it answered while the first was out, whose turn it would be', async () => {
    await using both = await twoEndpoints()
    await both.first.stop()
    {
      await using proxy = await both.start()
      assert.equal(await digestAt(proxy.port), digestOf(ofSecond))
    }
    await both.first.start()
    await using proxy = await both.start()
    assert.equal(await digestAt(proxy.port), digestOf(ofSecond))
    assert.equal(both.first.count('HEAD', PATH), 0)
  })

  test('one that is no endpoint any more owns nothing', async () => {
    await using both = await twoEndpoints()
    {
      await using proxy = await both.start()
      assert.equal(await digestAt(proxy.port), digestOf(ofFirst))
    }
    await using proxy = await both.start([both.second.url, 'http://127.0.0.1:9'])
    assert.equal(await digestAt(proxy.port), digestOf(ofSecond))
  })

  test('a purge forgets it', async () => {
    await using both = await twoEndpoints()
    await using proxy = await both.start()
    assert.equal(await digestAt(proxy.port), digestOf(ofFirst))
    both.first.on(/./, { status: 404, times: 1000 })
    assert.equal((await call(proxy.port, 'GET', PATH)).status, 404)
    await runCommand(['purge', 'app', '--server', proxy.adminUrl])
    both.first.forgetScripts()
    assert.equal(await digestAt(proxy.port), digestOf(ofFirst))
    assert.equal((await runCommand(['purge', 'app', '--server', proxy.adminUrl])).code, 0)
    both.first.on(/./, { status: 404, times: 1000 })
    assert.equal(await digestAt(proxy.port), digestOf(ofSecond))
  })
})

suite('who has answered', () => {
  test('status names the endpoint, and the metrics have each', async () => {
    await using both = await twoEndpoints()
    await using proxy = await both.start()
    both.first.on(/./, { status: 404, times: 1000 })
    assert.equal(await digestAt(proxy.port), digestOf(ofSecond))
    const { stdout } = await runCommand(['status', '--server', proxy.adminUrl])
    assert.match(stdout, new RegExp(`^docker\\.io +up .* answered 200 at ${both.second.url}$`, 'm'))
    assert.match(stdout, new RegExp(`^docker\\.io \\(${both.first.url}\\) +up .* answered 404$`, 'm'))
    const json = await runCommand(['status', '--json', '--server', proxy.adminUrl])
    const { upstreams } = JSON.parse(json.stdout) as {
      upstreams: { name: string; lastEndpoint: string | null }[]
    }
    assert.deepEqual(
      upstreams.map(({ name, lastEndpoint }) => [name, lastEndpoint]),
      [
        ['docker.io', both.second.url],
        [`docker.io (${both.first.url})`, null],
        [`docker.io (${both.second.url})`, null],
      ],
    )
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    for (const { url } of [both.first, both.second])
      assert.ok(metrics.includes(`entrepot_upstream_seconds_count{upstream="docker.io (${url})"`), url)
  })

  test('status names the endpoint that fails', async () => {
    await using both = await twoEndpoints()
    await using proxy = await both.start()
    both.first.on(/./, { status: 404, times: 1000 })
    both.second.on(/./, { status: 403, times: 1000 })
    assert.equal((await call(proxy.port, 'GET', PATH)).status, 404)
    const { stdout } = await runCommand(['status', '--server', proxy.adminUrl], {}, 400)
    assert.match(stdout, new RegExp(`^docker\\.io +up .*denies access.*, at ${both.second.url}$`, 'm'))
  })

  test('why tells who was asked, what each said, and whom the tag belongs to', async () => {
    await using both = await twoEndpoints()
    await using proxy = await both.start()
    both.first.on(/./, { status: 404, times: 1000 })
    const before = await runCommand(['why', 'app:v1', '--server', proxy.adminUrl])
    assert.match(before.stdout, new RegExp(`at ${both.first.url}, then ${both.second.url}: `))
    assert.doesNotMatch(before.stdout, /only .* is asked/)
    assert.equal(await digestAt(proxy.port), digestOf(ofSecond))
    const { stdout } = await runCommand(['why', 'app:v1', '--server', proxy.adminUrl])
    assert.match(
      stdout,
      new RegExp(`only ${both.second.url} is asked for the tag: it has answered for the tag`),
    )
    assert.match(stdout, new RegExp(`${both.first.url}  tag v1: does not exist`))
    assert.match(stdout, new RegExp(`${both.second.url}  tag v1: found`))
  })

  test('why tells it of an image that is asked for by another name, too', async () => {
    await using both = await twoEndpoints()
    const rewrite = [{ from: 'library/old', to: 'library/app' }]
    await using proxy = await both.start(undefined, { rewrite })
    both.first.on(/./, { status: 404, times: 1000 })
    const answer = await call(proxy.port, 'GET', '/v2/library/old/manifests/v1')
    assert.equal(answer.headers['docker-content-digest'], digestOf(ofSecond))
    const { stdout } = await runCommand(['why', 'old:v1', '--server', proxy.adminUrl])
    assert.match(stdout, new RegExp(`only ${both.second.url} is asked for the tag`))
    assert.match(stdout, new RegExp(`${both.second.url}  tag v1: found`))
  })
})
