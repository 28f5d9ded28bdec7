import { CredentialProblem } from '../credential-problem.ts'
import type { AwsSurroundings, IssuedAwsCredentials } from './aws-credentials.ts'
import { environmentUrl } from './environment-url.ts'
import { jsonOf, lifetimeIn, tokenOf } from './issued.ts'

const STEP = 'the role of the instance'
const SETTING = 'AWS_EC2_METADATA_SERVICE_ENDPOINT'
const NOTHING_ELSE =
  'nothing in the environment names other credentials (AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, ' +
  'AWS_CONTAINER_CREDENTIALS_FULL_URI)'
const NO_SERVICE =
  `${NOTHING_ELSE}; on EC2, attach a role, and in a container let the metadata service answer over ` +
  'two hops (http-put-response-hop-limit 2)'
const ROLES = '/latest/meta-data/iam/security-credentials/'
/** Seconds that the session with the metadata service lasts. */
const SESSION = '60'

/**
 * The credentials of the role of an EC2 instance, by version 2 of its metadata service ("Use the Instance
 * Metadata Service"). Version 1, which answers whoever can make this machine send a request, is not asked.
 *
 * @throws CredentialProblem
 */
export async function instanceCredentials({ env, exchange }: AwsSurroundings): Promise<IssuedAwsCredentials> {
  if (env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') {
    throw new CredentialProblem(`AWS_EC2_METADATA_DISABLED is true, and ${NOTHING_ELSE}`)
  }
  const byIpv6 = env['AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE']?.toLowerCase() === 'ipv6'
  const service = environmentUrl(env, SETTING, `http://${byIpv6 ? '[fd00:ec2::254]' : '169.254.169.254'}`)
  const session = await exchange({
    step: STEP,
    url: new URL('/latest/api/token', service),
    method: 'PUT',
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': SESSION },
    advice: NO_SERVICE,
  })
  const headers = { 'x-aws-ec2-metadata-token': tokenOf(session.text, STEP) }
  const attached = 'attach a role to the instance'
  const roles = await exchange({ step: STEP, url: new URL(ROLES, service), headers, advice: attached })
  const role = /^[\w+=,.@-]{1,128}$/m.exec(roles.text)?.[0]
  if (role === undefined) throw new CredentialProblem(`${STEP}: there is none`, { advice: attached })
  const answer = await exchange({
    step: STEP,
    url: new URL(ROLES + encodeURIComponent(role), service),
    headers,
    advice: attached,
  })
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = jsonOf(answer, STEP)
  return {
    credentials: {
      accessKeyId: tokenOf(AccessKeyId, STEP),
      secretAccessKey: tokenOf(SecretAccessKey, STEP),
      sessionToken: tokenOf(Token, STEP),
    },
    ...lifetimeIn(Expiration, answer),
  }
}
