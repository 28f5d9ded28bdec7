import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

test('SEC-96 an upstream may be named like a property that every object has', async () => {
  for (const name of ['constructor', 'valueof', 'hasownproperty', 'tostring']) {
    await using upstream = await fakeUpstream()
    const config = { upstreams: { [name]: { url: upstream.url } }, defaultUpstream: name }
    await using proxy = await startProxy({ upstream, config })
    upstream.addManifest('org/app', 'latest', manifestOf([]), OCI_MANIFEST)
    for (const path of [`/v2/${name}/org/app/manifests/latest`, '/v2/org/app/manifests/latest']) {
      assert.equal((await call(proxy.port, 'GET', path)).status, 200, path)
    }
  }
})
