import type { RecordedRequest } from '../fake-upstream/listener.ts'
import { RegistryContent } from '../fake-upstream/registry.ts'
import type { Answer } from '../fake-upstream/wire.ts'
import { wantsLogin, wantsToken } from '../registries/tokens.ts'
import { answer, type FakeCloud, text } from './fake-cloud.ts'
import { type AwsKeys, signatureProblem } from './sig-v4.ts'

export const ACCOUNT_HOST = '123456789012.dkr.ecr.eu-central-1.amazonaws.com'
export const API_HOST = 'api.ecr.eu-central-1.amazonaws.com'
export const STS_HOST = 'sts.eu-central-1.amazonaws.com'
export const PUBLIC_HOST = 'public.ecr.aws'
export const PUBLIC_API_HOST = 'api.ecr-public.us-east-1.amazonaws.com'

export const KEYS: AwsKeys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
/** Those that a role gives out. */
export const TEMPORARY: AwsKeys = {
  ...KEYS,
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  sessionToken: 'IQoJb3JpZ2lu+/=',
}

export interface FakeEcr {
  readonly content: RegistryContent
  /** What the registry lets in now. */
  readonly login: { username: string; password: string }
  /** How many passwords were given out. */
  issued: number
  /** Seconds that a password is valid for. */
  lifetime: number
  /** Who may ask for one. */
  keys: AwsKeys
}

/** A registry of Amazon with its API, as the API References of Amazon ECR and ECR Public describe them. */
export function fakeEcr(cloud: FakeCloud, keys: AwsKeys, isPublic = false): FakeEcr {
  const content = new RegistryContent({})
  const login = { username: 'AWS', password: '' }
  const ecr: FakeEcr = { content, login, issued: 0, lifetime: 12 * 3600, keys }
  const [host, apiHost] = isPublic ? [PUBLIC_HOST, PUBLIC_API_HOST] : [ACCOUNT_HOST, API_HOST]
  const place = { url: `https://${host}`, besides: '' }
  const gate = isPublic
    ? wantsToken({ path: '/token/', service: host, login })
    : wantsLogin(login, `https://${host}/`)
  cloud.hosts.set(host, (request) => gate(request, (inner) => content.answer(inner), place))
  cloud.hosts.set(apiHost, (request) => api(request, ecr, isPublic))
  return ecr
}

function api(request: RecordedRequest, ecr: FakeEcr, isPublic: boolean): Answer {
  const [service, region, target] = isPublic
    ? ['ecr-public', 'us-east-1', 'SpencerFrontendService']
    : ['ecr', 'eu-central-1', 'AmazonEC2ContainerRegistry_V20150921']
  const { headers } = request
  const isQuestion =
    request.method === 'POST' &&
    request.target === '/' &&
    headers['content-type'] === 'application/x-amz-json-1.1' &&
    headers['x-amz-target'] === `${target}.GetAuthorizationToken`
  if (!isQuestion) return answer(404, { __type: 'UnknownOperationException' })
  const problem = signatureProblem(request, ecr.keys, region, service)
  if (problem !== undefined)
    return answer(400, { __type: problem, message: 'The security token is invalid.' })
  ecr.login.password = `password-${++ecr.issued}`
  const data = {
    authorizationToken: Buffer.from(`AWS:${ecr.login.password}`).toString('base64'),
    expiresAt: Date.now() / 1000 + ecr.lifetime,
  }
  return answer(200, {
    authorizationData: isPublic ? data : [{ ...data, proxyEndpoint: `https://${ACCOUNT_HOST}` }],
  })
}

/** The token service, for one role and one token (API_AssumeRoleWithWebIdentity). */
export function fakeSts(cloud: FakeCloud, role: string, token: () => string, host = STS_HOST): void {
  cloud.hosts.set(host, ({ method, target, headers, body }) => {
    const form = new URLSearchParams(body)
    const isQuestion =
      method === 'POST' &&
      target === '/' &&
      headers['content-type'] === 'application/x-www-form-urlencoded' &&
      headers['authorization'] === undefined &&
      form.get('Action') === 'AssumeRoleWithWebIdentity' &&
      form.get('Version') === '2011-06-15' &&
      /^[\w=,.@-]{2,64}$/.test(form.get('RoleSessionName') ?? '')
    if (!isQuestion) return xml(400, '<Error><Code>ValidationError</Code></Error>')
    if (form.get('RoleArn') !== role || form.get('WebIdentityToken') !== token()) {
      const message = `Not authorized to perform sts:AssumeRoleWithWebIdentity with ${token()}`
      return xml(
        403,
        `<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>${message}</Message></Error>`,
      )
    }
    return xml(
      200,
      `<AssumeRoleWithWebIdentityResult>
        <SubjectFromWebIdentityToken>system:serviceaccount:default:entrepot</SubjectFromWebIdentityToken>
        <AssumedRoleUser><Arn>${role}/entrepot</Arn></AssumedRoleUser>
        <Credentials>
          <SessionToken>${TEMPORARY.sessionToken}</SessionToken>
          <SecretAccessKey>${TEMPORARY.secretAccessKey}</SecretAccessKey>
          <Expiration>${new Date(Date.now() + 3600_000).toISOString()}</Expiration>
          <AccessKeyId>${TEMPORARY.accessKeyId}</AccessKeyId>
        </Credentials>
      </AssumeRoleWithWebIdentityResult>`,
    )
  })
}

function xml(status: number, inner: string): Answer {
  const body = `<Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${inner}</Response>`
  return { ...text(body, { 'Content-Type': 'text/xml' }), status }
}

const ROLE = 'entrepot-role'

/** Version 2 of the metadata service of an instance with a role ("Use the Instance Metadata Service"). */
export function instanceMetadata(): (request: RecordedRequest) => Answer {
  const session = 'AQAEAH2Zj=='
  return ({ method, target, headers }) => {
    if (target === '/latest/api/token') {
      const isRight = method === 'PUT' && /^\d+$/.test(headers['x-aws-ec2-metadata-token-ttl-seconds'] ?? '')
      return isRight ? text(session) : text('', { 'Content-Type': 'text/html' })
    }
    if (method !== 'GET' || headers['x-aws-ec2-metadata-token'] !== session)
      return { ...text(''), status: 401 }
    const path = '/latest/meta-data/iam/security-credentials/'
    if (target === path) return text(ROLE)
    if (target !== path + ROLE) return { ...text(''), status: 404 }
    return answer(200, { Code: 'Success', Type: 'AWS-HMAC', ...temporary() })
  }
}

/** The agent of ECS and of EKS Pod Identity ("Container credential provider"). */
export function containerAgent(path: string, authorization?: string): (request: RecordedRequest) => Answer {
  return ({ method, target, headers }) => {
    if (method !== 'GET' || target !== path) return { ...text(''), status: 404 }
    if (headers['authorization'] !== authorization) return answer(401, { code: 'InvalidAuthorization' })
    return answer(200, temporary())
  }
}

function temporary() {
  return {
    AccessKeyId: TEMPORARY.accessKeyId,
    SecretAccessKey: TEMPORARY.secretAccessKey,
    Token: TEMPORARY.sessionToken,
    Expiration: new Date(Date.now() + 3600_000).toISOString(),
  }
}
