/** An upstream that is never dialled: `upstreams.*.offline`. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { addMultiImage, imageUpstream } from './images/image-upstream.ts'
import { descriptorOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { runCommand } from './support/run-command.ts'
import { tempFolder } from './support/temp-folder.ts'

const IMAGE = '/v2/library/app'

test('what is stored of an offline upstream is served, the rest does not exist, and nothing is dialled', async () => {
  await using folder = await tempFolder()
  await using upstream = await imageUpstream()
  const { index, amd64, arm64 } = addMultiImage(upstream)
  {
    await using online = await startProxy({ upstream, folder: folder.path })
    const config = descriptorOf(Buffer.from('{}')).digest
    const blobs = [config, ...amd64.layers].map((digest) => `blobs/${digest}`)
    for (const path of [`manifests/latest`, `manifests/${amd64.digest}`, ...blobs])
      await (await fetch(`${online.url}${IMAGE}/${path}`)).arrayBuffer()
  }
  const before = upstream.requests.length
  // A tag that is long past its freshness, too.
  const config = { cache: { tags: [{ match: '.*', fresh: '0s' }], staleIfError: '1s', negative: '0s' } }
  await using offline = await startProxy({
    upstream,
    folder: folder.path,
    config,
    upstreamConfig: { offline: true },
  })
  const status = async (path: string) => {
    const answer = await fetch(`${offline.url}${IMAGE}/${path}`)
    await answer.arrayBuffer()
    return answer.status
  }
  const byTag = await fetch(`${offline.url}${IMAGE}/manifests/latest`)
  assert.equal(byTag.headers.get('docker-content-digest'), index)
  assert.equal(await status(`blobs/${amd64.layers[0]}`), 200)
  const at = ['--server', offline.adminUrl]
  const warmed = await runCommand(['warm', 'app', 'app:absent', ...at])
  assert.match(warmed.stdout, /app:absent: it is not stored, and docker\.io is offline/)
  const exported = await runCommand(['export', 'app', '-o', join(folder.path, 'app.tar'), ...at])
  assert.match(exported.stderr, /manifest linux\/arm64\/v8 \S+: it is not stored, and docker\.io is offline/)
  assert.equal(await status(`manifests/${arm64.digest}`), 404)
  assert.equal(await status(`blobs/${arm64.layers[1]}`), 404)
  assert.equal(await status('manifests/other'), 404)
  assert.deepEqual(await (await fetch(`${offline.url}${IMAGE}/tags/list`)).json(), {
    name: 'library/app',
    tags: ['latest'],
  })
  const json = async <T>(url: string) => (await (await fetch(url)).json()) as T
  assert.deepEqual(
    (await json<{ manifests: object[] }>(`${offline.url}${IMAGE}/referrers/${amd64.digest}`)).manifests,
    [],
  )
  type Status = { upstreams: { state: string; said: string }[] }
  const { upstreams } = await json<Status>(`${offline.adminUrl}/api/v1/upstreams`)
  assert.deepEqual([upstreams[0]?.state, upstreams[0]?.said], ['offline', 'is offline: it is never asked'])
  const { verdict } = await json<{ verdict: string }>(`${offline.adminUrl}/api/v1/why?image=app`)
  assert.match(verdict, /^works: served from the store.*docker\.io is offline/)
  assert.equal(upstream.requests.length, before)
})
