import { jsonObject, type JsonObject, parseJsonObject } from '../../../util/json-object.ts'
import { CredentialProblem } from '../credential-problem.ts'
import { serviceUrl } from './environment-url.ts'
import type { CloudSurroundings } from './cloud-login.ts'
import type { Exchange } from './exchange.ts'
import { awsSubjectToken } from './gcp-aws-subject.ts'
import { GOOGLE_SCOPE, googleUrl } from './google-url.ts'
import { accessTokenOf, type IssuedToken, jsonOf, lifetimeUntil, tokenOf } from './issued.ts'
import { readPlatformFile } from './platform-file.ts'

const SUBJECT = 'the token that credential_source names'
const EXCHANGE = 'the token of the workload identity pool'
const IMPERSONATION = 'the token of the impersonated service account'

/**
 * Workload identity federation (AIP-4117): a token of another identity provider, from a file, a URL or
 * Amazon, is exchanged for one of Google (RFC 8693), and that for one of a service account where the file names it.
 * Programs (`executable`) are not run.
 *
 * @throws CredentialProblem
 */
export async function externalAccountToken(
  file: JsonObject,
  surroundings: Pick<CloudSurroundings, 'env' | 'exchange'>,
): Promise<IssuedToken> {
  const { exchange } = surroundings
  const { audience, subject_token_type: type, service_account_impersonation_url: impersonate } = file
  if (typeof audience !== 'string' || typeof type !== 'string') {
    throw new CredentialProblem(
      'the file of GOOGLE_APPLICATION_CREDENTIALS has no audience or no subject_token_type',
    )
  }
  // Before the token is read that would be sent there.
  const url = googleUrl(file['token_url'], 'token_url')
  const account =
    impersonate === undefined ? undefined : googleUrl(impersonate, 'service_account_impersonation_url')
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience,
    scope: GOOGLE_SCOPE,
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token_type: type,
    subject_token: await subjectToken(jsonObject(file['credential_source']) ?? {}, audience, surroundings),
  })
  const answer = await exchange({
    step: EXCHANGE,
    url,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    advice: 'check the provider of the pool: its issuer, its audiences and its attribute condition',
  })
  const federated = accessTokenOf(answer, EXCHANGE)
  return account === undefined ? federated : impersonated(account, federated, exchange)
}

async function subjectToken(
  source: JsonObject,
  audience: string,
  surroundings: Pick<CloudSurroundings, 'env' | 'exchange'>,
): Promise<string> {
  const { file, url, headers, environment_id: isAmazon } = source
  if (isAmazon !== undefined) return awsSubjectToken(source, audience, surroundings)
  const format = jsonObject(source['format']) ?? {}
  if (typeof file === 'string') return inFormat(await readPlatformFile(file, SUBJECT), format)
  if (typeof url === 'string') {
    const given = Object.entries(jsonObject(headers) ?? {}).map(([name, value]) => [name, String(value)])
    const answer = await surroundings.exchange({
      step: SUBJECT,
      url: serviceUrl(url, 'url of credential_source'),
      headers: Object.fromEntries(given) as Record<string, string>,
    })
    return inFormat(answer.text.trim(), format)
  }
  throw new CredentialProblem(
    'credential_source has neither file, url nor environment_id, which alone are known here',
  )
}

function inFormat(text: string, { type, subject_token_field_name: field }: JsonObject): string {
  if (type !== 'json') return text
  return tokenOf(typeof field === 'string' ? parseJsonObject(text)?.[field] : undefined, SUBJECT)
}

/** `generateAccessToken` of the IAM Service Account Credentials API. */
async function impersonated(url: URL, { token }: IssuedToken, exchange: Exchange): Promise<IssuedToken> {
  const answer = await exchange({
    step: IMPERSONATION,
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ scope: [GOOGLE_SCOPE] }),
    advice: 'check that the pool has the role roles/iam.workloadIdentityUser for that service account',
  })
  const { accessToken, expireTime } = jsonOf(answer, IMPERSONATION)
  return {
    token: tokenOf(accessToken, IMPERSONATION),
    lifetime: lifetimeUntil(Date.parse(String(expireTime)), answer),
  }
}
