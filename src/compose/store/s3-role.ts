import type { S3CredentialSource } from '../../s3/s3-credentials.ts'
import { cachedCredentials } from '../../upstream/credentials/cached-credentials.ts'
import { withoutCredentials } from '../../upstream/credentials/credential-problem.ts'
import { proxiesFrom } from '../../upstream/net/proxy-environment.ts'
import { systemTrust } from '../../upstream/net/trust-store.ts'

export interface S3RoleOptions {
  readonly region: string
  /** Of this process, in which the platform says who it is. */
  readonly env: NodeJS.ProcessEnv
  /** The present credentials stay in use because newer ones cannot be had. */
  readonly failed: (problem: unknown) => void
  /** Ends what is being asked. */
  readonly signal: AbortSignal
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/** Milliseconds. Those who wait for S3 have given up long before. */
const TIMEOUT = 15_000

/**
 * The credentials of this workload, from where Amazon's own programs look for them, fetched once for all who
 * wait, and again before they expire. What fetches them is loaded when it is first needed.
 */
export function s3Role(options: S3RoleOptions): S3CredentialSource {
  const { region, env, failed, now = () => performance.now() } = options
  const proxyFor = proxiesFrom(env)
  const trust = systemTrust({ env, failed })
  const find = cachedCredentials({
    async fetch() {
      const [{ awsCredentials }, { cloudExchange }] = await Promise.all([
        import('../../upstream/credentials/cloud/aws-credentials.ts'),
        import('../../upstream/credentials/cloud/exchange.ts'),
      ])
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT)])
      return awsCredentials({ env, region, exchange: cloudExchange({ trust, proxyFor, signal }) })
    },
    failed,
    now,
  })
  return async (refused) => {
    try {
      return (await find(refused))!
    } catch (error) {
      throw withoutCredentials('s3', error)
    }
  }
}
