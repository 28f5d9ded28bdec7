/** Addresses that the environment names: where they may lead. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ACCOUNT_HOST, fakeEcr, KEYS } from '../../support/clouds/amazon.ts'
import { fakeAcr, REGISTRY_HOST as ACR_HOST } from '../../support/clouds/azure.ts'
import { fakeCloud } from '../../support/clouds/fake-cloud.ts'
import { fakeArtifactRegistry, REGISTRY_HOST as GAR_HOST } from '../../support/clouds/google.ts'
import { open, reasonOf } from './open.ts'

async function registries(t: TestContext) {
  const cloud = await fakeCloud(t, ACCOUNT_HOST, GAR_HOST, ACR_HOST)
  fakeEcr(cloud, KEYS)
  fakeArtifactRegistry(cloud)
  fakeAcr(cloud)
  return cloud
}

/** In each the address is one where an answer, or the secret that is sent along, is anybody's. */
const MISLEADING: readonly (readonly [host: string, cloud: string, env: NodeJS.ProcessEnv])[] = [
  [ACCOUNT_HOST, 'ecr', { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://10.0.0.1' }],
  [ACCOUNT_HOST, 'ecr', { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://metadata.example/x' }],
  [ACCOUNT_HOST, 'ecr', { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '@evil.example/x' }],
  [ACCOUNT_HOST, 'ecr', { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '//evil.example/x' }],
  [GAR_HOST, 'gcp', { GCE_METADATA_HOST: 'metadata.example' }],
  [GAR_HOST, 'gcp', { GCE_METADATA_HOST: 'u:p@127.0.0.1' }],
  [ACR_HOST, 'azure', { AZURE_POD_IDENTITY_AUTHORITY_HOST: 'http://10.0.0.1' }],
  [ACR_HOST, 'azure', { IDENTITY_ENDPOINT: 'http://identity.example/', IDENTITY_HEADER: 's3cret' }],
  [ACR_HOST, 'azure', { IDENTITY_ENDPOINT: 'file:///etc/passwd', IDENTITY_HEADER: 's3cret' }],
]

test('SEC-97 an address of the environment leads to https, or to this machine and its host', async (t) => {
  const cloud = await registries(t)
  for (const [host, credentials, env] of MISLEADING) {
    const { pull } = await open(t, host, credentials, { ...cloud.env, ...env })
    const reason = await reasonOf(pull())
    const [variable] = Object.keys(env)
    assert.match(reason, new RegExp(`^${variable} in the environment (?:must be|is not) `))
    for (const value of Object.values(env)) assert.ok(!reason.includes(value!), reason)
  }
  assert.ok(
    cloud.asked().every((target) => [ACCOUNT_HOST, GAR_HOST, ACR_HOST].includes(target.replace(':443', ''))),
  )
})

test('SEC-97 what cannot be a header is not sent, and not told', async (t) => {
  const cloud = await registries(t)
  const file = join(cloud.folder, 'token')
  await writeFile(file, 'a\r\nHost: evil.example')
  const uri = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/x` }
  for (const more of [
    { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file },
    { AWS_CONTAINER_AUTHORIZATION_TOKEN: 'a\nb' },
  ]) {
    const { pull } = await open(t, ACCOUNT_HOST, 'ecr', { ...cloud.env, ...uri, ...more })
    const reason = await reasonOf(pull())
    assert.match(reason, /^AWS_CONTAINER_AUTHORIZATION_TOKEN/)
    assert.doesNotMatch(reason, /evil/)
  }
  assert.equal(cloud.metadata.requests.length, 0)
})
