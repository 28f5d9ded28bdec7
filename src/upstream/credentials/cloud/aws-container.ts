import { CredentialProblem } from '../credential-problem.ts'
import type { AwsSurroundings, IssuedAwsCredentials } from './aws-credentials.ts'
import { serviceUrl } from './environment-url.ts'
import { jsonOf, lifetimeIn, tokenOf } from './issued.ts'
import { readPlatformFile } from './platform-file.ts'

const STEP = 'the credentials of the container'
const ADVICE = 'check that the task or the service account has a role'
/** The agent of ECS. */
const AGENT = 'http://169.254.170.2'

/**
 * The credentials of an ECS task or of an EKS pod with Pod Identity ("Container credential provider" in the
 * AWS SDKs and Tools Reference Guide).
 *
 * @throws CredentialProblem
 */
export async function containerCredentials({
  env,
  exchange,
}: AwsSurroundings): Promise<IssuedAwsCredentials> {
  const authorization = await authorizationFrom(env)
  const answer = await exchange({
    step: STEP,
    url: addressFrom(env),
    ...(authorization !== undefined && { headers: { authorization } }),
    advice: ADVICE,
  })
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = jsonOf(answer, STEP)
  return {
    credentials: {
      accessKeyId: tokenOf(AccessKeyId, STEP),
      secretAccessKey: tokenOf(SecretAccessKey, STEP),
      ...(Token !== undefined && { sessionToken: tokenOf(Token, STEP) }),
    },
    ...lifetimeIn(Expiration, answer),
  }
}

function addressFrom(env: NodeJS.ProcessEnv): URL {
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  if (!relative) {
    const full = 'AWS_CONTAINER_CREDENTIALS_FULL_URI'
    return serviceUrl(env[full]!, `${full} in the environment`)
  }
  const url = relative.startsWith('/') ? URL.parse(relative, AGENT) : null
  if (url?.origin === AGENT) return url
  throw new CredentialProblem('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI in the environment is not a path')
}

async function authorizationFrom(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const variable = 'AWS_CONTAINER_AUTHORIZATION_TOKEN'
  const file = env[`${variable}_FILE`]
  if (file) return tokenOf(await readPlatformFile(file, `the file of ${variable}_FILE`), `${variable}_FILE`)
  const token = env[variable]
  // ECS and Greengrass may give a scheme before the token.
  if (token !== undefined && !/^[\x20-\x7e]+$/.test(token)) {
    throw new CredentialProblem(`${variable} in the environment is no header`)
  }
  return token
}
