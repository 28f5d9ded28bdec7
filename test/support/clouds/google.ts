import { generateKeyPairSync, verify } from 'node:crypto'
import type { RecordedRequest } from '../fake-upstream/listener.ts'
import { RegistryContent } from '../fake-upstream/registry.ts'
import type { Answer, WireRequest } from '../fake-upstream/wire.ts'
import { wantsToken } from '../registries/tokens.ts'
import { answer, type FakeCloud, text } from './fake-cloud.ts'
import { type AwsKeys, signatureProblem } from './sig-v4.ts'

export const REGISTRY_HOST = 'europe-docker.pkg.dev'
export const OAUTH_HOST = 'oauth2.googleapis.com'
export const STS_HOST = 'sts.googleapis.com'
export const IAM_HOST = 'iamcredentials.googleapis.com'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
export const ACCESS_TOKEN = 'ya29.access-token'
export const FEDERATED_TOKEN = 'ya29.d.federated'

/** Artifact Registry, for who shows `token` ("Configure authentication to Artifact Registry for Docker"). */
export function fakeArtifactRegistry(cloud: FakeCloud, token = ACCESS_TOKEN): RegistryContent {
  const content = new RegistryContent({})
  const login = { username: 'oauth2accesstoken', password: token }
  const gate = wantsToken({ path: '/v2/token', service: REGISTRY_HOST, login })
  const place = { url: `https://${REGISTRY_HOST}`, besides: '' }
  cloud.hosts.set(REGISTRY_HOST, (request) => gate(request, (inner) => content.answer(inner), place))
  return content
}

/** The metadata server ("About VM metadata"). */
export function metadataServer(): (request: RecordedRequest) => Answer {
  return ({ method, target, headers }) => {
    if (headers['metadata-flavor'] !== 'Google')
      return { ...text('Missing Metadata-Flavor:Google header.'), status: 403 }
    const path = '/computeMetadata/v1/instance/service-accounts/default/token'
    if (method !== 'GET' || target !== path) return { ...text(''), status: 404 }
    const { headers: json, ...rest } = answer(200, granted(ACCESS_TOKEN))
    return { ...rest, headers: { ...json, 'Metadata-Flavor': 'Google' } }
  }
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const EMAIL = 'entrepot@acme.iam.gserviceaccount.com'

/** The key file of a service account. */
export const SERVICE_ACCOUNT = {
  type: 'service_account',
  project_id: 'acme',
  private_key_id: 'key-1',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  client_email: EMAIL,
  token_uri: `https://${OAUTH_HOST}/token`,
}

/** The token endpoint for service accounts ("Using OAuth 2.0 for Server to Server Applications"). */
export function tokenEndpoint(cloud: FakeCloud): void {
  cloud.hosts.set(OAUTH_HOST, ({ method, target, body }) => {
    const form = new URLSearchParams(body)
    const [header = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.')
    const read = (part: string): Record<string, unknown> =>
      JSON.parse(Buffer.from(part, 'base64url').toString())
    const isRight =
      method === 'POST' &&
      target === '/token' &&
      form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
      verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))
    if (!isRight) return answer(400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' })
    const { alg, kid } = read(header)
    const { iss, aud, scope, iat, exp } = read(claims)
    const now = Date.now() / 1000
    const isInTime = Number(iat) <= now + 1 && Number(exp) > now && Number(exp) - Number(iat) <= 3600
    const isMeant = alg === 'RS256' && kid === 'key-1' && iss === EMAIL && scope === SCOPE && isInTime
    return isMeant && aud === `https://${OAUTH_HOST}/token`
      ? answer(200, granted(ACCESS_TOKEN))
      : answer(400, { error: 'invalid_grant' })
  })
}

const AUDIENCE = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/k8s'

/** A configuration file of workload identity federation (AIP-4117). */
export function externalAccount(credentialSource: object, more: object = {}): object {
  return {
    type: 'external_account',
    audience: AUDIENCE,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `https://${STS_HOST}/v1/token`,
    credential_source: credentialSource,
    ...more,
  }
}

export const IMPERSONATION = {
  service_account_impersonation_url: `https://${IAM_HOST}/v1/projects/-/serviceAccounts/${EMAIL}:generateAccessToken`,
}

/** What Google makes of the token of a workload at Amazon: the request it is, as it would arrive there. */
function amazonRequest(subjectToken: string): WireRequest & { readonly url: URL } {
  const { url, method, headers } = JSON.parse(decodeURIComponent(subjectToken)) as {
    url: string
    method: string
    headers: { key: string; value: string }[]
  }
  const at = new URL(url)
  const all = headers.map(({ key, value }) => [key.toLowerCase(), value] as const)
  return { url: at, method, target: at.pathname + at.search, headers: Object.fromEntries(all), body: '' }
}

/** Whether a token is a question to Amazon that it would answer, signed with `keys` for our audience. */
export function isOfAmazon(subjectToken: string, keys: AwsKeys): boolean {
  const request = amazonRequest(subjectToken)
  const isQuestion =
    request.method === 'POST' &&
    request.url.host === 'sts.us-east-2.amazonaws.com' &&
    request.url.search === '?Action=GetCallerIdentity&Version=2011-06-15' &&
    request.headers['host'] === request.url.host &&
    request.headers['x-goog-cloud-target-resource'] === AUDIENCE &&
    /SignedHeaders=[^,]*x-goog-cloud-target-resource/.test(request.headers['authorization'] ?? '')
  const [path, query] = request.target.split('?')
  // The query is in order of its names in what is signed, and is so here already.
  return (
    isQuestion &&
    signatureProblem({ ...request, target: `${path}?${query}` }, keys, 'us-east-2', 'sts') === undefined
  )
}

/** The token service of Google, for one token of another provider, and the impersonation of an account. */
export function federation(cloud: FakeCloud, subjectToken: string | ((token: string) => boolean)): void {
  cloud.hosts.set(STS_HOST, ({ method, target, body }) => {
    const form = Object.fromEntries(new URLSearchParams(body))
    const expected = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: AUDIENCE,
      scope: SCOPE,
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    }
    const isKnown =
      typeof subjectToken === 'string'
        ? form['subject_token'] === subjectToken && form['subject_token_type']!.endsWith(':jwt')
        : subjectToken(form['subject_token']!)
    const isRight = isKnown && Object.entries(expected).every(([name, value]) => form[name] === value)
    if (method !== 'POST' || target !== '/v1/token' || !isRight)
      return answer(400, { error: 'invalid_grant' })
    return answer(200, { ...granted(FEDERATED_TOKEN), issued_token_type: expected.requested_token_type })
  })
  cloud.hosts.set(IAM_HOST, ({ target, headers, body }) => {
    const isRight =
      headers['authorization'] === `Bearer ${FEDERATED_TOKEN}` &&
      target === new URL(IMPERSONATION.service_account_impersonation_url).pathname &&
      (JSON.parse(body) as { scope: string[] }).scope.join() === SCOPE
    return isRight
      ? answer(200, { accessToken: ACCESS_TOKEN, expireTime: new Date(Date.now() + 3600_000).toISOString() })
      : answer(403, { error: { code: 403, status: 'PERMISSION_DENIED', message: 'Permission denied' } })
  })
}

function granted(token: string) {
  return { access_token: token, expires_in: 3599, token_type: 'Bearer' }
}
