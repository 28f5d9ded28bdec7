/** Which registries may see the login of a cloud. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../src/config/config-error.ts'
import { type Cloud, ecrRegistry } from '../../src/util/cloud-registries.ts'
import { load } from './folder.ts'

const OWN: Readonly<Record<Cloud, readonly string[]>> = {
  ecr: [
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com',
    '123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com',
    '123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn',
    '123456789012.dkr-ecr.us-east-1.on.aws',
    'public.ecr.aws',
  ],
  gcp: ['europe-docker.pkg.dev', 'us-west1-docker.pkg.dev', 'gcr.io', 'eu.gcr.io'],
  azure: ['acme.azurecr.io', 'acme.azurecr.cn', 'acme.azurecr.us', 'acme.westeurope.geo.azurecr.io'],
}

const FOREIGN: Readonly<Record<Cloud, readonly string[]>> = {
  ecr: [
    'registry.example.com',
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example',
    'x.123456789012.dkr.ecr.eu-central-1.amazonaws.com',
    '123456789012.dkr.ecr.evil.example.amazonaws.com',
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com:8443',
    'dkr.ecr.eu-central-1.amazonaws.com',
  ],
  gcp: [
    'docker.pkg.dev',
    'europe-docker.pkg.dev.evil.example',
    'evilgcr.io',
    'a.b.gcr.io',
    'europe-python.pkg.dev',
  ],
  azure: ['azurecr.io', 'acme.azurecr.io.evil.example', 'acmeazurecr.io', 'acme.azurecr.com'],
}

const yaml = (host: string, cloud: string, more = ''): string =>
  `publicUpstreams: false\nupstreams: { '${host}': { credentials: ${cloud}${more} } }`

for (const cloud of ['ecr', 'gcp', 'azure'] as const) {
  test(`SEC-97 ${cloud}: its own registries, by https`, async (t) => {
    for (const host of OWN[cloud]) {
      const { upstreams } = await load(t, yaml(host, cloud))
      assert.equal(upstreams[host]!.cloud, cloud)
      const elsewhere = load(t, yaml('my.cache', cloud, `, url: https://${host}`))
      assert.equal((await elsewhere).upstreams['my.cache']!.cloud, cloud)
      await assert.rejects(load(t, yaml(host, cloud, `, url: http://${host}`)), ConfigError)
    }
  })

  test(`SEC-97 ${cloud}: no other host is shown its login`, async (t) => {
    for (const host of FOREIGN[cloud]) {
      await assert.rejects(load(t, yaml(host, cloud)), (error: unknown) => {
        assert.ok(error instanceof ConfigError, String(error))
        assert.match(
          error.message,
          new RegExp(`credentials is "${cloud}", but works for .* by https only`),
          host,
        )
        return true
      })
    }
  })
}

test('the API of an Amazon registry is that of its region and partition', () => {
  assert.deepEqual(
    OWN.ecr.map((host) => ecrRegistry(host)?.apiHost),
    [
      'api.ecr.eu-central-1.amazonaws.com',
      'ecr-fips.us-gov-west-1.amazonaws.com',
      'api.ecr.cn-north-1.amazonaws.com.cn',
      'ecr.us-east-1.api.aws',
      'api.ecr-public.us-east-1.amazonaws.com',
    ],
  )
})
