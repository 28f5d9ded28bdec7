/** `credentials: gcp`: how a workload gets a login at a registry of Google. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { containerAgent, TEMPORARY } from '../../support/clouds/amazon.ts'
import { type FakeCloud, fakeCloud, text } from '../../support/clouds/fake-cloud.ts'
import {
  externalAccount,
  fakeArtifactRegistry,
  FEDERATED_TOKEN,
  federation,
  IAM_HOST,
  IMPERSONATION,
  isOfAmazon,
  metadataServer,
  OAUTH_HOST,
  REGISTRY_HOST,
  SERVICE_ACCOUNT,
  STS_HOST,
  tokenEndpoint,
} from '../../support/clouds/google.ts'
import { manifestOf } from '../../support/fixtures.ts'
import { open, reasonOf } from './open.ts'

async function setting(t: TestContext, token?: string) {
  const cloud = await fakeCloud(t, REGISTRY_HOST, OAUTH_HOST, STS_HOST, IAM_HOST)
  fakeArtifactRegistry(cloud, token).addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  return { cloud, open: (env: NodeJS.ProcessEnv) => open(t, REGISTRY_HOST, 'gcp', { ...cloud.env, ...env }) }
}

/** The environment that names such a file. */
async function fileWith(cloud: FakeCloud, content: object): Promise<NodeJS.ProcessEnv> {
  const path = join(cloud.folder, 'credentials.json')
  await writeFile(path, JSON.stringify(content))
  return { GOOGLE_APPLICATION_CREDENTIALS: path }
}

const hostOf = ({ metadata }: FakeCloud): NodeJS.ProcessEnv => ({ GCE_METADATA_HOST: metadata.authority })

test('FR-51 gcp: the service account of the machine or pod, by the metadata server', async (t) => {
  const { cloud, open } = await setting(t)
  cloud.respond = metadataServer()
  const { pull } = await open(hostOf(cloud))
  assert.ok(await pull())
  assert.ok(await pull())
  assert.equal(cloud.metadata.requests.length, 1)
})

test('FR-51 gcp: the key of a service account, exchanged by a signed assertion', async (t) => {
  const { cloud, open } = await setting(t)
  tokenEndpoint(cloud)
  const { pull } = await open(await fileWith(cloud, SERVICE_ACCOUNT))
  assert.ok(await pull())
  assert.equal(cloud.metadata.requests.length, 0)
})

test('FR-51 gcp: workload identity federation with a token in a file', async (t) => {
  const { cloud, open } = await setting(t, FEDERATED_TOKEN)
  federation(cloud, 'eyJ.k8s.token')
  const file = join(cloud.folder, 'token')
  await writeFile(file, 'eyJ.k8s.token\n')
  const { pull } = await open(await fileWith(cloud, externalAccount({ file })))
  assert.ok(await pull())
})

test('FR-51 gcp: workload identity federation with a token in JSON from a URL, and an account to impersonate', async (t) => {
  const { cloud, open } = await setting(t)
  federation(cloud, 'eyJ.other.cloud')
  cloud.respond = ({ target, headers }) =>
    headers['metadata'] === 'true' && target === '/token?resource=x'
      ? text('{"access_token":"eyJ.other.cloud"}')
      : { ...text(''), status: 400 }
  const source = {
    url: `${cloud.metadata.url}/token?resource=x`,
    headers: { Metadata: 'true' },
    format: { type: 'json', subject_token_field_name: 'access_token' },
  }
  const { pull } = await open(await fileWith(cloud, externalAccount(source, IMPERSONATION)))
  assert.ok(await pull())
  assert.deepEqual(
    [STS_HOST, IAM_HOST].map((host) => cloud.find(host).length),
    [1, 1],
  )
})

test('FR-51 gcp: workload identity federation of a workload at Amazon, by its signed question who it is', async (t) => {
  const { cloud, open } = await setting(t, FEDERATED_TOKEN)
  const tokens: string[] = []
  federation(cloud, (token) => {
    tokens.push(token)
    return isOfAmazon(token, TEMPORARY)
  })
  cloud.respond = containerAgent('/credentials')
  const source = {
    environment_id: 'aws1',
    regional_cred_verification_url:
      'https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15',
  }
  const { pull } = await open({
    ...(await fileWith(
      cloud,
      externalAccount(source, { subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request' }),
    )),
    AWS_REGION: 'us-east-2',
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/credentials`,
  })
  assert.ok(await pull())
  assert.equal(tokens.length, 1)
  assert.ok(!decodeURIComponent(tokens[0]!).includes(TEMPORARY.secretAccessKey))
})

test('SEC-97 gcp: the identity at Amazon is shown to its own token service alone', async (t) => {
  const of = (source: object) =>
    reasonFor(t, externalAccount({ environment_id: 'aws1', ...source }), { AWS_REGION: 'us-east-2' })
  const url = 'https://sts.{region}.amazonaws.com.evil.example/'
  assert.match(await of({ regional_cred_verification_url: url }), /is not an STS of Amazon$/)
  assert.match(await of({ environment_id: 'aws2' }), /is not aws1$/)
})

async function reasonFor(t: TestContext, file: object, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { cloud, open } = await setting(t)
  const { pull } = await open({ ...env, ...(await fileWith(cloud, file)) })
  return reasonOf(pull())
}

test('SEC-97 gcp: a credentials file that names another host gets nothing sent there', async (t) => {
  const subject = { file: '/nowhere' }
  const refused = /is not an API of Google, https:/
  for (const url of [
    'https://sts.evil.example/v1/token',
    'http://sts.googleapis.com/v1/token',
    'https://x.googleapis.com.evil.example/',
  ]) {
    assert.match(await reasonFor(t, externalAccount(subject, { token_url: url })), refused)
    assert.match(await reasonFor(t, { ...SERVICE_ACCOUNT, token_uri: url }), refused)
    const impersonation = { service_account_impersonation_url: url }
    assert.match(await reasonFor(t, externalAccount(subject, impersonation)), refused)
  }
})

test('SEC-97 gcp: a credentials file makes us run no program, and send no plain request to the network', async (t) => {
  const program = await reasonFor(t, externalAccount({ executable: { command: '/bin/true' } }))
  assert.match(program, /^credential_source has neither file, url nor environment_id/)
  const plain = await reasonFor(t, externalAccount({ url: 'http://10.0.0.1/token' }))
  assert.match(plain, /^url of credential_source must be an https URL, or http on the loopback/)
})

test('FR-51 gcp: each failure says at which step, and what to do', async (t) => {
  const { cloud, open } = await setting(t)
  federation(cloud, 'right')
  const file = join(cloud.folder, 'token')
  await writeFile(file, 'wrong')
  const reason = async (env: NodeJS.ProcessEnv) => reasonOf((await open(env)).pull())

  assert.match(
    await reason(await fileWith(cloud, externalAccount({ file }))),
    /^the token of the workload identity pool: sts\.googleapis\.com answers 400 invalid_grant: check the provider of the pool/,
  )
  assert.match(
    await reason(await fileWith(cloud, { type: 'authorized_user' })),
    /^the file of GOOGLE_APPLICATION_CREDENTIALS is of no type that is known here: service_account, external_account$/,
  )
  assert.match(
    await reason(await fileWith(cloud, { ...SERVICE_ACCOUNT, private_key: 'x' })),
    /^the private_key of the service account cannot be read$/,
  )
  assert.match(
    await reason({ GOOGLE_APPLICATION_CREDENTIALS: '/nowhere' }),
    /^the file of GOOGLE_APPLICATION_CREDENTIALS cannot be read: ENOENT$/,
  )
  assert.match(
    await reason({ GCE_METADATA_HOST: '127.0.0.1:1' }),
    /^the service account of the machine: 127\.0\.0\.1:1 cannot be asked \(ECONNREFUSED\): GOOGLE_APPLICATION_CREDENTIALS is not set; on Google Cloud, give/,
  )
  cloud.respond = () => text('{"access_token":"of somebody else"}')
  assert.match(await reason(hostOf(cloud)), /is not the metadata server of Google/)
})
