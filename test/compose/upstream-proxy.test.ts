/** The way out to each upstream, as it is configured. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { buildUpstreams } from '../../src/compose/upstreams/upstreams.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { loopGuard } from '../../src/util/loop-guard.ts'
import { load } from '../config/folder.ts'
import { fakeProxy } from '../support/fake-proxy.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'

test('an upstream is reached through the proxy of its own, others through that of the environment', async (t) => {
  await using registry = await fakeUpstream()
  registry.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  await using own = await fakeProxy()
  await using common = await fakeProxy()
  const proxy = own.url.replace('//', '//ci:secret@')
  const yaml = `
publicUpstreams: false
upstreams:
  a.example: { url: 'http://a.example:${registry.port}', proxy: '${proxy}' }
  b.example: { url: 'http://b.example:${registry.port}' }
`
  await using upstreams = buildUpstreams(await load(t, `${yaml}defaultUpstream: a.example`), {
    log: pino({ level: 'silent' }),
    telemetry: { answered() {}, denied() {}, received() {}, rateLimit() {}, circuit() {}, credentials() {} },
    loops: loopGuard(),
    ownPorts: () => [],
    env: { HTTP_PROXY: common.url },
  })
  for (const { repository } of upstreams.byName.values()) assert.ok(await repository('app').resolve('v1'))
  const authorization = `Basic ${btoa('ci:secret')}`
  assert.deepEqual(own.asked[0], { target: `a.example:${registry.port}`, authorization })
  assert.deepEqual(common.asked[0], { target: `b.example:${registry.port}`, authorization: undefined })
  assert.deepEqual(
    [own, common].map(({ asked }) => new Set(asked.map(({ target }) => target)).size),
    [1, 1],
  )
})
