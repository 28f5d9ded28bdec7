/** `credentials: azure`: how a workload gets a login at a registry of Azure. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import {
  CLIENT,
  entraId,
  fakeAcr,
  IDENTITY_HEADER,
  identityEndpoint,
  LOGIN_HOST,
  metadataService,
  REGISTRY_HOST,
  TENANT,
} from '../../support/clouds/azure.ts'
import { answer, type FakeCloud, fakeCloud } from '../../support/clouds/fake-cloud.ts'
import { manifestOf } from '../../support/fixtures.ts'
import { open, reasonOf } from './open.ts'

async function setting(t: TestContext, tenant?: string) {
  const cloud = await fakeCloud(t, REGISTRY_HOST, LOGIN_HOST)
  const acr = fakeAcr(cloud, tenant)
  acr.content.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  return {
    cloud,
    acr,
    open: (env: NodeJS.ProcessEnv) => open(t, REGISTRY_HOST, 'azure', { ...cloud.env, ...env }),
  }
}

/** The environment that AKS gives a pod with a workload identity. */
async function workloadIdentity({ folder }: FakeCloud, token: string): Promise<NodeJS.ProcessEnv> {
  const file = join(folder, 'azure-identity-token')
  await writeFile(file, token)
  return { AZURE_TENANT_ID: TENANT, AZURE_CLIENT_ID: CLIENT, AZURE_FEDERATED_TOKEN_FILE: file }
}

const metadataAt = ({ metadata }: FakeCloud) => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: metadata.url })
const endpointAt = ({ metadata }: FakeCloud) => ({
  IDENTITY_ENDPOINT: `${metadata.url}/MSI/token`,
  IDENTITY_HEADER,
})

test('FR-51 azure: the workload identity of an AKS pod, whose token Entra ID and then the registry exchange', async (t) => {
  const { cloud, acr, open } = await setting(t, TENANT)
  entraId(cloud, 'eyJ.pod.token')
  const { pull } = await open(await workloadIdentity(cloud, 'eyJ.pod.token'))
  assert.ok(await pull())
  assert.ok(await pull())
  assert.deepEqual([cloud.find(LOGIN_HOST).length, acr.issued], [1, 1])
})

test('FR-51 azure: the managed identity of a machine, by the metadata service', async (t) => {
  const { cloud, open } = await setting(t)
  cloud.respond = metadataService()
  const { pull } = await open(metadataAt(cloud))
  assert.ok(await pull())
})

test('FR-51 azure: one of several managed identities, by AZURE_CLIENT_ID', async (t) => {
  const { cloud, open } = await setting(t)
  cloud.respond = metadataService(CLIENT)
  const { pull } = await open({ ...metadataAt(cloud), AZURE_CLIENT_ID: CLIENT })
  assert.ok(await pull())
})

test('FR-51 azure: the managed identity of an app of App Service or Container Apps', async (t) => {
  const { cloud, open } = await setting(t)
  cloud.respond = identityEndpoint()
  const { pull } = await open(endpointAt(cloud))
  assert.ok(await pull())
})

test('FR-51 azure: a metadata service that is not ready yet is asked again', async (t) => {
  const { cloud, open } = await setting(t)
  const ready = metadataService()
  cloud.respond = (request) => (cloud.metadata.requests.length < 3 ? answer(410, {}) : ready(request))
  const { pull } = await open(metadataAt(cloud))
  assert.ok(await pull())
  assert.equal(cloud.metadata.requests.length, 3)
})

test('FR-51 azure: each failure says at which step, and what to do', async (t) => {
  const { cloud, open } = await setting(t, 'another tenant')
  const reason = async (env: NodeJS.ProcessEnv) => reasonOf((await open(env)).pull())
  entraId(cloud, 'right')
  assert.match(
    await reason(await workloadIdentity(cloud, 'wrong')),
    /^the token of the workload identity: login\.microsoftonline\.com answers 400 AADSTS70021: check the federated credential/,
  )
  assert.match(
    await reason(await workloadIdentity(cloud, 'right')),
    /^the exchange for a token of the registry: acme\.azurecr\.io answers 401 UNAUTHORIZED: check that the identity has the role AcrPull/,
  )
  assert.match(
    await reason({ AZURE_FEDERATED_TOKEN_FILE: '/nowhere' }),
    /AZURE_CLIENT_ID or AZURE_TENANT_ID is not: annotate the service account/,
  )
  assert.match(await reason({ IDENTITY_ENDPOINT: 'http://localhost:40342/' }), /Azure Arc is not supported$/)
  cloud.respond = metadataService(CLIENT)
  assert.match(
    await reason(metadataAt(cloud)),
    /^the token of the managed identity: 127\.0\.0\.1:\d+ answers 400 unauthorized_client: .*name it in AZURE_CLIENT_ID where there are several$/,
  )
})
