import type { PatternFor } from './repository-credentials.ts'

export type CredentialVerdict = 'accepted' | 'refused'

/** `said` names who judged the credentials that were shown for `repository`, and how. */
export type JudgeCredentials = (
  verdict: CredentialVerdict,
  said: string,
  repository: string | undefined,
) => void

/** The credentials of a pattern of repositories; undefined: of the upstream itself. */
export interface ShownCredentials {
  readonly pattern: string | undefined
  readonly result: CredentialVerdict
}

/** Reports all credentials of an upstream as one: they are refused while any of them is. */
export function credentialVerdicts(
  patternFor: PatternFor,
  report: (verdict: CredentialVerdict, said: string, shown: ShownCredentials) => void,
): JudgeCredentials {
  const refused = new Map<string | undefined, string>()
  return (verdict, said, repository) => {
    const pattern = patternFor(repository)
    if (verdict === 'accepted') refused.delete(pattern)
    else refused.set(pattern, pattern === undefined ? said : `${said} to the credentials of ${pattern}`)
    const [refusal] = refused.values()
    const shown = { pattern, result: verdict }
    if (refusal === undefined) report('accepted', said, shown)
    else report('refused', refusal, shown)
  }
}
