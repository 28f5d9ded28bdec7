import { hostClass } from '../../net/address-class.ts'

/** Amazon's metadata services where there is no IPv4: of EKS Pod Identity, and of the instance. */
const UNIQUE_LOCAL = new Set(['[fd00:ec2::23]', '[fd00:ec2::254]'])

/**
 * Whether a metadata service may be asked without TLS: only where the question does not leave this machine or
 * its host, so that nobody on the network can answer it, or read the answer.
 */
export function isPlainAllowed({ hostname }: URL): boolean {
  const found = hostClass(hostname)
  return found === 'loopback' || found === 'link-local' || UNIQUE_LOCAL.has(hostname)
}
