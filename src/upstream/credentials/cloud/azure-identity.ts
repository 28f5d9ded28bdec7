import { CredentialProblem } from '../credential-problem.ts'
import type { CloudSurroundings } from './cloud-login.ts'
import { environmentUrl } from './environment-url.ts'
import type { ExchangeRequest } from './exchange.ts'
import { jsonOf, tokenOf } from './issued.ts'
import { readPlatformFile } from './platform-file.ts'

/** Whom the token is for: registries, and nothing else of Azure. */
const RESOURCE = 'https://containerregistry.azure.net'
const FEDERATED = 'the token of the workload identity'
const MANAGED = 'the token of the managed identity'
const NO_IDENTITY =
  'AZURE_FEDERATED_TOKEN_FILE and IDENTITY_ENDPOINT are not set; on a machine of Azure, ' +
  'assign an identity, and name it in AZURE_CLIENT_ID where there are several'

/**
 * A token of Entra ID for container registries: by the workload identity of a pod (AKS), by the identity
 * endpoint of App Service, Functions and Container Apps, or by the metadata service of the machine. The first
 * that is configured is used, and no other when it fails.
 *
 * @throws CredentialProblem
 */
export async function entraToken({
  env,
  exchange,
}: Pick<CloudSurroundings, 'env' | 'exchange'>): Promise<string> {
  const question = env['AZURE_FEDERATED_TOKEN_FILE']
    ? await byWorkloadIdentity(env)
    : env['IDENTITY_ENDPOINT']
      ? byIdentityEndpoint(env)
      : byMetadata(env)
  return tokenOf(jsonOf(await exchange(question), question.step)['access_token'], question.step)
}

/** "OAuth 2.0 client credentials flow", third case: access token request with a federated credential. */
async function byWorkloadIdentity(env: NodeJS.ProcessEnv): Promise<ExchangeRequest> {
  const { AZURE_TENANT_ID: tenant = '', AZURE_CLIENT_ID: client } = env
  if (!client || !/^[\w.-]+$/.test(tenant)) {
    throw new CredentialProblem(
      'AZURE_FEDERATED_TOKEN_FILE is set, and AZURE_CLIENT_ID or AZURE_TENANT_ID is not',
      { advice: 'annotate the service account with azure.workload.identity/client-id' },
    )
  }
  const file = 'the file of AZURE_FEDERATED_TOKEN_FILE'
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: client,
    scope: `${RESOURCE}/.default`,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await readPlatformFile(env['AZURE_FEDERATED_TOKEN_FILE']!, file),
  })
  const authority = environmentUrl(env, 'AZURE_AUTHORITY_HOST', 'https://login.microsoftonline.com')
  return {
    step: FEDERATED,
    url: new URL(`/${tenant}/oauth2/v2.0/token`, authority),
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    advice: 'check the federated credential of the identity: its issuer, subject and audience',
  }
}

/** "How to use managed identities for App Service", REST endpoint reference. */
function byIdentityEndpoint(env: NodeJS.ProcessEnv): ExchangeRequest {
  const secret = env['IDENTITY_HEADER']
  if (!secret) {
    throw new CredentialProblem(
      'IDENTITY_ENDPOINT is set, and IDENTITY_HEADER is not: Azure Arc is not supported',
    )
  }
  const url = environmentUrl(env, 'IDENTITY_ENDPOINT', '')
  return {
    step: MANAGED,
    url: withIdentity(url, '2019-08-01', env),
    headers: { 'x-identity-header': secret },
    advice: 'assign an identity to the app, and name it in AZURE_CLIENT_ID if it is not that of the system',
  }
}

/** "How to use managed identities on an Azure VM to acquire an access token", with its list of retries. */
function byMetadata(env: NodeJS.ProcessEnv): ExchangeRequest {
  const service = environmentUrl(env, 'AZURE_POD_IDENTITY_AUTHORITY_HOST', 'http://169.254.169.254')
  return {
    step: MANAGED,
    url: withIdentity(new URL('/metadata/identity/oauth2/token', service), '2018-02-01', env),
    headers: { metadata: 'true' },
    advice: NO_IDENTITY,
    notYet: [404, 410],
  }
}

function withIdentity(endpoint: URL, version: string, env: NodeJS.ProcessEnv): URL {
  const url = new URL(endpoint)
  url.searchParams.set('api-version', version)
  url.searchParams.set('resource', RESOURCE)
  const client = env['AZURE_CLIENT_ID']
  if (client) url.searchParams.set('client_id', client)
  return url
}
