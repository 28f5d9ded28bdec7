import type { ErrorCode } from '../../oci/errors.ts'
import type { Answer } from '../answers.ts'
import { type Cause, causeOf } from '../cause.ts'
import { loginAdvice, refusedText } from '../login-advice.ts'
import type { RepositoryView } from './facts.ts'

/** What keeps upstream from answering for one repository, as far as it is known now. */
export type Trouble =
  /** It could not be asked, or answered with an error. */
  | ({ readonly kind: 'failing' } & Cause)
  /** It answered that the image is not there. */
  | { readonly kind: 'absent'; readonly answer: Answer }

/** The trouble of a pull: the newest answer counts, then what holds for the upstream as a whole. */
export function troubleOf(
  upstream: RepositoryView,
  answers: readonly Answer[],
  reference: string,
): Trouble | undefined {
  const last = answers.find(({ kind }) => kind !== 'tags' && kind !== 'referrers')
  if (last?.detail !== undefined) {
    return { kind: 'failing', ...explained(upstream, last.outcome as ErrorCode, last) }
  }
  const { said, advice = `remove upstreams.${upstream.name}.offline if it should be asked` } = upstream
  if (said !== undefined) return { kind: 'failing', cause: said, advice }
  const answer = answers.find((answer) => answer.reference === reference)
  return answer?.outcome === 'absent' ? { kind: 'absent', answer } : undefined
}

function explained(
  { name, credentials, login }: RepositoryView,
  code: ErrorCode,
  { detail = {} }: Answer,
): Cause {
  const found = causeOf(name, code, detail)
  if (code !== 'UPSTREAM_DENIED') return found
  if (credentials === 'refused') {
    return {
      cause: refusedText(login),
      advice: loginAdvice(name, login),
    }
  }
  if (credentials === 'accepted' && detail['status'] === 401) {
    return {
      cause: 'accepts the credentials, and then answers 401 to the tokens of its own token service',
      advice: 'compare the clocks of the registry and of its token service: tokens expire too early',
    }
  }
  if (credentials === 'none' && detail['status'] === 401) {
    return {
      cause: 'wants credentials, and none are configured',
      advice: `give upstreams.${name} a username and a password that may pull it`,
    }
  }
  return found
}
