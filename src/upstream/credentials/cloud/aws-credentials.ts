import { CredentialProblem } from '../credential-problem.ts'
import { containerCredentials } from './aws-container.ts'
import { instanceCredentials } from './aws-instance.ts'
import { webIdentityCredentials } from './aws-web-identity.ts'
import type { Exchange } from './exchange.ts'

/** What requests to Amazon are signed with. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string
}

export interface IssuedAwsCredentials {
  readonly credentials: AwsCredentials
  /** Milliseconds from now. Omitted: they are valid until somebody revokes them. */
  readonly lifetime?: number
}

export interface AwsSurroundings {
  readonly env: NodeJS.ProcessEnv
  readonly exchange: Exchange
  /** Of the registry or bucket: that of the token service where the environment names none. */
  readonly region: string
}

/**
 * The credentials of this workload, from where Amazon's own programs look for them, in their order ("AWS SDKs
 * and Tools Reference Guide", Standardized credential providers): the environment, the web identity of a
 * service account (EKS), the credentials of a container (EKS Pod Identity, ECS), the role of the instance.
 * The first that is configured is used, and no other when it fails. Profiles in files are not read.
 *
 * @throws CredentialProblem
 */
export async function awsCredentials(surroundings: AwsSurroundings): Promise<IssuedAwsCredentials> {
  const { env } = surroundings
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  if (accessKeyId && secretAccessKey) {
    const sessionToken = env['AWS_SESSION_TOKEN']
    return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }
  }
  if (accessKeyId || secretAccessKey) {
    throw new CredentialProblem(
      'of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set in the environment: set both, or none',
    )
  }
  if (env['AWS_WEB_IDENTITY_TOKEN_FILE']) return webIdentityCredentials(surroundings)
  if (env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] || env['AWS_CONTAINER_CREDENTIALS_FULL_URI']) {
    return containerCredentials(surroundings)
  }
  return instanceCredentials(surroundings)
}
