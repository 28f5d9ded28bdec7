import type { RecordedRequest } from '../fake-upstream/listener.ts'
import { RegistryContent } from '../fake-upstream/registry.ts'
import type { Answer } from '../fake-upstream/wire.ts'
import { wantsToken } from '../registries/tokens.ts'
import { answer, type FakeCloud } from './fake-cloud.ts'

export const REGISTRY_HOST = 'acme.azurecr.io'
export const LOGIN_HOST = 'login.microsoftonline.com'
export const TENANT = '409520d4-8100-4d1d-ad47-72432ddcc120'
export const CLIENT = '5e29463d-71da-4fe0-8e69-999b57db23b0'

const RESOURCE = 'https://containerregistry.azure.net'
export const ENTRA_TOKEN = 'eyJ.entra.token'

export interface FakeAcr {
  readonly content: RegistryContent
  readonly login: { username: string; password: string }
  issued: number
}

/** A registry of Azure, which exchanges tokens of Entra ID (Azure/acr, docs/AAD-OAuth.md). */
export function fakeAcr(cloud: FakeCloud, tenant?: string): FakeAcr {
  const content = new RegistryContent({})
  const login = { username: '00000000-0000-0000-0000-000000000000', password: '' }
  const acr: FakeAcr = { content, login, issued: 0 }
  const gate = wantsToken({ path: '/oauth2/token', service: REGISTRY_HOST, field: 'access_token', login })
  const place = { url: `https://${REGISTRY_HOST}`, besides: '' }
  cloud.hosts.set(REGISTRY_HOST, (request) => {
    if (request.target !== '/oauth2/exchange') return gate(request, (inner) => content.answer(inner), place)
    const form = new URLSearchParams(request.body)
    const isRight =
      request.method === 'POST' &&
      form.get('grant_type') === 'access_token' &&
      form.get('service') === REGISTRY_HOST &&
      form.get('tenant') === (tenant ?? null) &&
      form.get('access_token') === ENTRA_TOKEN
    if (!isRight)
      return answer(401, { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] })
    const iat = Math.floor(Date.now() / 1000)
    login.password = jwt({
      iss: 'Azure Container Registry',
      iat,
      exp: iat + 3 * 3600,
      jti: `${++acr.issued}`,
    })
    return answer(200, { refresh_token: login.password })
  })
  return acr
}

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`
}

/** Entra ID, for one federated credential ("OAuth 2.0 client credentials flow", third case). */
export function entraId(cloud: FakeCloud, assertion: string): void {
  cloud.hosts.set(LOGIN_HOST, ({ method, target, body }) => {
    const form = Object.fromEntries(new URLSearchParams(body))
    const expected = {
      grant_type: 'client_credentials',
      client_id: CLIENT,
      scope: `${RESOURCE}/.default`,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }
    const isRight = Object.entries(expected).every(([name, value]) => form[name] === value)
    if (method !== 'POST' || target !== `/${TENANT}/oauth2/v2.0/token` || !isRight) {
      const description = `AADSTS70021: No matching federated identity record found for ${assertion}`
      return answer(400, { error: 'invalid_request', error_description: description, error_codes: [70021] })
    }
    return answer(200, { token_type: 'Bearer', expires_in: 3599, access_token: ENTRA_TOKEN })
  })
}

/** A service that gives the token of a managed identity to who sends a header. */
function managedIdentity(path: string, version: string, header: string, value: string, client?: string) {
  return ({ method, target, headers }: RecordedRequest): Answer => {
    const { pathname, searchParams } = new URL(target, 'http://fake')
    if (method !== 'GET' || pathname !== path) return answer(404, {})
    const isRight =
      headers[header] === value &&
      searchParams.get('api-version') === version &&
      searchParams.get('resource') === RESOURCE
    if (!isRight) return answer(400, { error: 'invalid_request' })
    if (searchParams.get('client_id') !== (client ?? null))
      return answer(400, { error: 'unauthorized_client' })
    const expires = Math.floor(Date.now() / 1000) + 3599
    return answer(200, {
      access_token: ENTRA_TOKEN,
      expires_in: '3599',
      expires_on: String(expires),
      resource: RESOURCE,
      token_type: 'Bearer',
    })
  }
}

/** The metadata service of a machine ("How to use managed identities on an Azure VM"). */
export function metadataService(client?: string): (request: RecordedRequest) => Answer {
  return managedIdentity('/metadata/identity/oauth2/token', '2018-02-01', 'metadata', 'true', client)
}

export const IDENTITY_HEADER = '853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a'

/** The identity endpoint of App Service ("How to use managed identities for App Service"). */
export function identityEndpoint(client?: string): (request: RecordedRequest) => Answer {
  return managedIdentity('/MSI/token', '2019-08-01', 'x-identity-header', IDENTITY_HEADER, client)
}
