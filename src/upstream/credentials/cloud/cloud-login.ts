import type { Cloud } from '../../../util/cloud-registries.ts'
import type { ProxyFor } from '../../net/proxy-environment.ts'
import type { TrustStore } from '../../net/trust-store.ts'
import { acrLogin } from './azure.ts'
import { ecrLogin } from './ecr.ts'
import { cloudExchange, type Exchange } from './exchange.ts'
import { googleLogin } from './gcp.ts'

export interface CloudSurroundings {
  /** The registry's, without a port. */
  readonly host: string
  /** The environment of this process, in which platforms say what their workloads are. */
  readonly env: NodeJS.ProcessEnv
  readonly exchange: Exchange
}

/** A login that a cloud has made of the identity of this workload. */
export interface CloudLogin {
  readonly credentials: { readonly username: string; readonly password: string }
  /** Milliseconds from now. */
  readonly lifetime: number
}

export interface CloudLoginOptions {
  readonly cloud: Cloud
  readonly host: string
  readonly env: NodeJS.ProcessEnv
  readonly trust: TrustStore
  readonly proxyFor?: ProxyFor | undefined
  /** Ends it early. */
  readonly signal: AbortSignal
}

/** Milliseconds. Shorter than the default deadline of a request, so that the client is told what hung. */
const TIMEOUT = 8_000

const LOGINS: Readonly<Record<Cloud, (surroundings: CloudSurroundings) => Promise<CloudLogin>>> = {
  ecr: ecrLogin,
  gcp: googleLogin,
  azure: acrLogin,
}

/**
 * Exchanges the identity that the platform has given to this workload for a login at a registry.
 *
 * @throws CredentialProblem that says which step failed, and what to do
 */
export async function cloudLogin(options: CloudLoginOptions): Promise<CloudLogin> {
  const { cloud, host, env, trust, proxyFor } = options
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT)])
  return LOGINS[cloud]({ host, env, exchange: cloudExchange({ trust, proxyFor, signal }) })
}
