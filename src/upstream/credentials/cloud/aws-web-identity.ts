import { CredentialProblem } from '../credential-problem.ts'
import type { AwsSurroundings, IssuedAwsCredentials } from './aws-credentials.ts'
import type { ExchangeAnswer } from './exchange.ts'
import { lifetimeIn, tokenOf } from './issued.ts'
import { readPlatformFile } from './platform-file.ts'

const STEP = 'AssumeRoleWithWebIdentity'
const ADVICE =
  'check that the trust policy of the role in AWS_ROLE_ARN names the OIDC provider of the cluster ' +
  'and this service account'

/**
 * The credentials of the role that an EKS service account is annotated with (IRSA): its token is exchanged at
 * the token service of the region (API_AssumeRoleWithWebIdentity). The request is not signed.
 *
 * @throws CredentialProblem
 */
export async function webIdentityCredentials(surroundings: AwsSurroundings): Promise<IssuedAwsCredentials> {
  const { env, exchange } = surroundings
  const role = env['AWS_ROLE_ARN']
  if (!role) throw new CredentialProblem('AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not')
  const token = await readPlatformFile(
    env['AWS_WEB_IDENTITY_TOKEN_FILE']!,
    'the file of AWS_WEB_IDENTITY_TOKEN_FILE',
  )
  const form = new URLSearchParams({
    Action: STEP,
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: env['AWS_ROLE_SESSION_NAME'] || 'entrepot',
    WebIdentityToken: token,
  })
  const answer = await exchange({
    step: STEP,
    url: tokenService(surroundings),
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    advice: ADVICE,
  })
  return {
    credentials: {
      accessKeyId: elementOf(answer, 'AccessKeyId'),
      secretAccessKey: elementOf(answer, 'SecretAccessKey'),
      sessionToken: elementOf(answer, 'SessionToken'),
    },
    ...lifetimeIn(elementOf(answer, 'Expiration'), answer),
  }
}

/** Of the region ("AWS STS Regional endpoints"): the global one is in another region, and going away. */
function tokenService({ env, region: own }: AwsSurroundings): URL {
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || own
  if (!/^[a-z\d-]+$/.test(region)) throw new CredentialProblem('AWS_REGION in the environment is no region')
  const domain = region.startsWith('cn-')
    ? 'amazonaws.com.cn'
    : region.startsWith('eusc-')
      ? 'amazonaws.eu'
      : 'amazonaws.com'
  return new URL(`https://sts.${region}.${domain}/`)
}

/** The answer is XML in which these elements occur once, and without markup inside. */
function elementOf({ text }: ExchangeAnswer, name: string): string {
  return tokenOf(new RegExp(`<${name}>\\s*([^<\\s]+)\\s*</${name}>`).exec(text)?.[1], STEP)
}
