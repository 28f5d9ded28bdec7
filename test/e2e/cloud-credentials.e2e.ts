/** The program in a cloud, with what a platform gives to a workload: skopeo pulls from three registries through it. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { ACCOUNT_HOST, API_HOST, containerAgent, fakeEcr, TEMPORARY } from '../support/clouds/amazon.ts'
import {
  entraId,
  fakeAcr,
  LOGIN_HOST,
  REGISTRY_HOST as ACR_HOST,
  TENANT,
  CLIENT,
} from '../support/clouds/azure.ts'
import { fakeCloud } from '../support/clouds/fake-cloud.ts'
import {
  ACCESS_TOKEN,
  fakeArtifactRegistry,
  OAUTH_HOST,
  REGISTRY_HOST as GAR_HOST,
  SERVICE_ACCOUNT,
  tokenEndpoint,
} from '../support/clouds/google.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { missing, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'

suite('registries of clouds, without a stored password', { skip: missing('skopeo', 'openssl') }, () => {
  test('FR-51 skopeo pulls from ECR, Artifact Registry and ACR through the cache, and no secret is logged', async (t) => {
    const cloud = await fakeCloud(t, ACCOUNT_HOST, API_HOST, GAR_HOST, OAUTH_HOST, ACR_HOST, LOGIN_HOST)
    const [ecr, gar, acr] = [fakeEcr(cloud, TEMPORARY), fakeArtifactRegistry(cloud), fakeAcr(cloud, TENANT)]
    const layer = blobOf(100_000).bytes
    for (const content of [ecr.content, gar, acr.content]) {
      for (const bytes of [layer, Buffer.from('{}')]) content.addBlob(bytes)
      content.addManifest('team/app', 'v1', manifestOf([layer]), OCI_MANIFEST)
    }
    cloud.respond = containerAgent('/v1/credentials', 'eyJ.pod.identity')
    tokenEndpoint(cloud)
    entraId(cloud, 'eyJ.pod.token')
    const at = (name: string) => join(cloud.folder, name)
    await writeFile(at('pod-identity'), 'eyJ.pod.identity')
    await writeFile(at('azure-token'), 'eyJ.pod.token')
    await writeFile(at('google.json'), JSON.stringify(SERVICE_ACCOUNT))
    const env = {
      ...cloud.env,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: at('pod-identity'),
      GOOGLE_APPLICATION_CREDENTIALS: at('google.json'),
      AZURE_TENANT_ID: TENANT,
      AZURE_CLIENT_ID: CLIENT,
      AZURE_FEDERATED_TOKEN_FILE: at('azure-token'),
    }
    const upstreams = {
      [ACCOUNT_HOST]: { credentials: 'ecr' },
      [GAR_HOST]: { credentials: 'gcp' },
      [ACR_HOST]: { credentials: 'azure' },
    }
    const log = at('log')
    await using proxy = await proxyProcess(
      at('proxy'),
      '',
      { upstreams, defaultUpstream: ACCOUNT_HOST, log: { level: 'trace' } },
      { env, logFile: log },
    )
    for (const [i, host] of Object.keys(upstreams).entries()) {
      const name = `docker://${proxy.authority}/${host}/team/app:v1`
      await succeed('skopeo', ['copy', '--src-tls-verify=false', name, `dir:${at(`pulled-${i}`)}`])
    }
    const status = await fetch(`${proxy.adminUrl}/api/v1/upstreams`).then((answer) => answer.text())
    assert.equal(status.match(/"credentials":"accepted"/g)?.length, 3, status)
    const secrets = [
      ...[TEMPORARY.secretAccessKey, TEMPORARY.sessionToken!, ecr.login.password, acr.login.password],
      ...[ACCESS_TOKEN, 'eyJ.pod', 'PRIVATE KEY'],
    ]
    const told = await succeed('cat', [log])
    assert.match(told, /team\/app/)
    for (const secret of secrets) assert.ok(!told.includes(secret) && !status.includes(secret), secret)
  })
})
