import { AwsV4Signer } from 'aws4fetch'
import { ecrRegistry, type EcrRegistry } from '../../../util/cloud-registries.ts'
import { jsonObject, type JsonObject } from '../../../util/json-object.ts'
import { CredentialProblem } from '../credential-problem.ts'
import { awsCredentials } from './aws-credentials.ts'
import type { CloudLogin, CloudSurroundings } from './cloud-login.ts'
import type { ExchangeRequest } from './exchange.ts'
import { jsonOf, lifetimeUntil } from './issued.ts'

const STEP = 'GetAuthorizationToken'
const TARGETS = {
  ecr: 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
  'ecr-public': 'SpencerFrontendService.GetAuthorizationToken',
}
const ACTIONS = {
  ecr: 'ecr:GetAuthorizationToken',
  'ecr-public': 'ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken',
}

/**
 * The password of an Amazon registry: valid for twelve hours, and for whatever the role may pull
 * (API_GetAuthorizationToken of ECR and of ECR Public).
 *
 * @throws CredentialProblem
 */
export async function ecrLogin({ host, env, exchange }: CloudSurroundings): Promise<CloudLogin> {
  const registry = ecrRegistry(host)
  if (registry === undefined) throw new CredentialProblem(`${host} is no registry of Amazon ECR`)
  const answer = await exchange(await signed(registry, { env, exchange }))
  const data = jsonOf(answer, STEP)['authorizationData']
  // One of several registries; of the public one there is only one.
  const { authorizationToken, expiresAt }: JsonObject = jsonObject(Array.isArray(data) ? data[0] : data) ?? {}
  const login = typeof authorizationToken === 'string' ? loginIn(authorizationToken) : undefined
  if (login === undefined) throw new CredentialProblem(`${STEP}: there is no password in the answer`)
  return { credentials: login, lifetime: lifetimeUntil(Number(expiresAt) * 1000, answer) }
}

async function signed(
  { region, apiHost, service }: EcrRegistry,
  { env, exchange }: Pick<CloudSurroundings, 'env' | 'exchange'>,
): Promise<ExchangeRequest> {
  const { credentials } = await awsCredentials({ env, exchange, region })
  const body = '{}'
  const { url, headers } = await new AwsV4Signer({
    ...credentials,
    method: 'POST',
    url: `https://${apiHost}/`,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': TARGETS[service] },
    body,
    service,
    region,
    allHeaders: true,
  }).sign()
  const advice = `check that the policy of the role allows ${ACTIONS[service]}`
  return { step: STEP, url, method: 'POST', headers: Object.fromEntries(headers), body, advice }
}

/** `AWS:password` in base64. */
function loginIn(token: string): CloudLogin['credentials'] | undefined {
  const [, username, password] =
    /^([^:]+):([\x21-\x7e]+)$/.exec(Buffer.from(token, 'base64').toString()) ?? []
  return username === undefined || password === undefined ? undefined : { username, password }
}
