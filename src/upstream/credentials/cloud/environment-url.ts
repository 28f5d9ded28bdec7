import { CredentialProblem } from '../credential-problem.ts'
import { isPlainAllowed } from './plain-hosts.ts'

/**
 * The address of a service from a variable of the platform, or the service's own where it is not set: https,
 * or http where nothing leaves this machine.
 *
 * @throws CredentialProblem that names the variable but not its value
 */
export function environmentUrl(env: NodeJS.ProcessEnv, variable: string, otherwise: string): URL {
  return serviceUrl(env[variable] || otherwise, `${variable} in the environment`)
}

/** @param what names the text in messages. @throws CredentialProblem */
export function serviceUrl(text: string, what: string): URL {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') {
    throw new CredentialProblem(`${what} is not a URL without credentials`)
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isPlainAllowed(url))) return url
  throw new CredentialProblem(`${what} must be an https URL, or http on the loopback or a link-local address`)
}
