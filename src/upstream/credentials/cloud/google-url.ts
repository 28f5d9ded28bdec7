import { CredentialProblem } from '../credential-problem.ts'

/** What tokens are asked for. What they may do, the roles of the account say. */
export const GOOGLE_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'

/**
 * A URL of a credentials file where tokens are sent to. It has to be an API of Google: such files come from
 * elsewhere, and one that names another host would have the identity of this workload sent there (AIP-4117).
 *
 * @throws CredentialProblem
 */
export function googleUrl(value: unknown, field: string): URL {
  const url = typeof value === 'string' ? URL.parse(value) : null
  const isGoogle = /^[a-z\d.-]+\.googleapis\.com$/.test(url?.hostname ?? '')
  if (url?.protocol === 'https:' && isGoogle && url.port === '' && url.username === '') return url
  throw new CredentialProblem(
    `${field} in the file of GOOGLE_APPLICATION_CREDENTIALS is not an API of Google, ` +
      'https://….googleapis.com/…',
  )
}
