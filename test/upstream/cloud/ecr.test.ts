/** `credentials: ecr`: how a workload gets the password of an Amazon registry. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import {
  ACCOUNT_HOST,
  API_HOST,
  containerAgent,
  fakeEcr,
  fakeSts,
  instanceMetadata,
  KEYS,
  PUBLIC_API_HOST,
  PUBLIC_HOST,
  STS_HOST,
  TEMPORARY,
} from '../../support/clouds/amazon.ts'
import { fakeCloud } from '../../support/clouds/fake-cloud.ts'
import { manifestOf } from '../../support/fixtures.ts'
import { open, reasonOf } from './open.ts'

const ROLE = 'arn:aws:iam::123456789012:role/entrepot'
const KEYS_BY_ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
}

async function setting(t: TestContext, keys = TEMPORARY) {
  const cloud = await fakeCloud(t, ACCOUNT_HOST, API_HOST, STS_HOST)
  const ecr = fakeEcr(cloud, keys)
  ecr.content.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  return {
    cloud,
    ecr,
    open: (env: NodeJS.ProcessEnv) => open(t, ACCOUNT_HOST, 'ecr', { ...cloud.env, ...env }),
  }
}

test('FR-51 ecr: keys of the environment, signed for the region in the name of the registry', async (t) => {
  const { cloud, ecr, open } = await setting(t, KEYS)
  const { pull } = await open(KEYS_BY_ENVIRONMENT)
  assert.ok(await pull())
  assert.ok(await pull())
  assert.equal(ecr.issued, 1)
  assert.deepEqual(new Set(cloud.asked()), new Set([`${API_HOST}:443`, `${ACCOUNT_HOST}:443`]))
})

test('FR-51 ecr: a session token of the environment', async (t) => {
  const { open } = await setting(t)
  const { pull } = await open({
    ...KEYS_BY_ENVIRONMENT,
    AWS_ACCESS_KEY_ID: TEMPORARY.accessKeyId,
    AWS_SESSION_TOKEN: TEMPORARY.sessionToken,
  })
  assert.ok(await pull())
})

test('FR-51 ecr: the web identity of an EKS service account', async (t) => {
  const { cloud, open } = await setting(t)
  const file = join(cloud.folder, 'token')
  await writeFile(file, 'eyJ.web.identity\n')
  fakeSts(cloud, ROLE, () => 'eyJ.web.identity')
  const { pull } = await open({ AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file })
  assert.ok(await pull())
  assert.equal(cloud.find(STS_HOST).length, 1)
})

test('FR-51 ecr: the region of the environment is that of the token service alone', async (t) => {
  const host = 'sts.us-west-2.amazonaws.com'
  const cloud = await fakeCloud(t, ACCOUNT_HOST, API_HOST, host)
  fakeEcr(cloud, TEMPORARY).content.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  const file = join(cloud.folder, 'token')
  await writeFile(file, 'a.b.c')
  fakeSts(cloud, ROLE, () => 'a.b.c', host)
  const env = { AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_REGION: 'us-west-2' }
  const { pull } = await open(t, ACCOUNT_HOST, 'ecr', { ...cloud.env, ...env })
  assert.ok(await pull())
})

test('FR-51 ecr: the credentials of a container, with the token in a file (EKS Pod Identity)', async (t) => {
  const { cloud, open } = await setting(t)
  const file = join(cloud.folder, 'token')
  await writeFile(file, 'eyJ.pod.identity')
  cloud.respond = containerAgent('/v1/credentials', 'eyJ.pod.identity')
  const { pull } = await open({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
  })
  assert.ok(await pull())
})

test('FR-51 ecr: the credentials of a container, with the token in the environment (ECS)', async (t) => {
  const { cloud, open } = await setting(t)
  cloud.respond = containerAgent('/get-credentials', 'Basic abc')
  const { pull } = await open({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/get-credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'Basic abc',
  })
  assert.ok(await pull())
})

test('FR-51 ecr: the role of an instance, by version 2 of its metadata service', async (t) => {
  const { cloud, open } = await setting(t)
  cloud.respond = instanceMetadata()
  const { pull } = await open({ AWS_EC2_METADATA_SERVICE_ENDPOINT: cloud.metadata.url })
  assert.ok(await pull())
  assert.deepEqual(
    cloud.metadata.requests.map(({ method, headers }) => [method, headers['x-aws-ec2-metadata-token']]),
    [
      ['PUT', undefined],
      ['GET', 'AQAEAH2Zj=='],
      ['GET', 'AQAEAH2Zj=='],
    ],
  )
})

test('FR-51 ecr: public.ecr.aws, whose API is in one region, and which gives tokens for the password', async (t) => {
  const cloud = await fakeCloud(t, PUBLIC_HOST, PUBLIC_API_HOST)
  const ecr = fakeEcr(cloud, KEYS, true)
  ecr.content.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  const { pull } = await open(t, PUBLIC_HOST, 'ecr', { ...cloud.env, ...KEYS_BY_ENVIRONMENT })
  assert.ok(await pull())
  assert.equal(ecr.issued, 1)
})

const FAILURES: Readonly<Record<string, readonly [env: NodeJS.ProcessEnv, reason: RegExp]>> = {
  'keys that are wrong': [
    { ...KEYS_BY_ENVIRONMENT, AWS_SECRET_ACCESS_KEY: 'wrong' },
    /^GetAuthorizationToken: api\.ecr\.eu-central-1\.amazonaws\.com answers 400 InvalidSignatureException: check that the policy of the role allows ecr:GetAuthorizationToken$/,
  ],
  'half of the keys': [{ AWS_ACCESS_KEY_ID: 'a' }, /only one is set in the environment: set both, or none$/],
  'no role': [{ AWS_WEB_IDENTITY_TOKEN_FILE: '/nowhere' }, /AWS_ROLE_ARN is not$/],
  'no token file': [
    { AWS_WEB_IDENTITY_TOKEN_FILE: '/nowhere', AWS_ROLE_ARN: ROLE },
    /^the file of AWS_WEB_IDENTITY_TOKEN_FILE cannot be read: ENOENT$/,
  ],
  'a region that is none': [
    { AWS_WEB_IDENTITY_TOKEN_FILE: import.meta.filename, AWS_ROLE_ARN: ROLE, AWS_REGION: 'x.evil.example/' },
    /^AWS_REGION in the environment is no region$/,
  ],
  'nobody there': [
    { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' },
    /^the role of the instance: 127\.0\.0\.1:1 cannot be asked \(ECONNREFUSED\): nothing in the environment names other credentials .* \(http-put-response-hop-limit 2\)$/,
  ],
  'a metadata service that is off': [
    { AWS_EC2_METADATA_DISABLED: 'true' },
    /^AWS_EC2_METADATA_DISABLED is true, and nothing in the environment names other credentials/,
  ],
}

for (const [what, [env, reason]] of Object.entries(FAILURES)) {
  test(`FR-51 ecr: ${what}: the pull fails and says at which step, and what to do`, async (t) => {
    const { open } = await setting(t, KEYS)
    assert.match(await reasonOf((await open(env)).pull()), reason)
  })
}

test('SEC-97 ecr: a refusal is told by its code, without the token that the answer repeats', async (t) => {
  const { cloud, open } = await setting(t)
  const file = join(cloud.folder, 'token')
  await writeFile(file, 'a.secret.token')
  fakeSts(cloud, `${ROLE}-other`, () => 'a.secret.token')
  const { pull, lines } = await open({ AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file })
  const told = await reasonOf(pull())
  assert.match(
    told,
    /^AssumeRoleWithWebIdentity: sts\.eu-central-1\.amazonaws\.com answers 403 AccessDenied: check that the trust policy/,
  )
  assert.doesNotMatch(JSON.stringify([told, lines]), /secret\.token/)
})
