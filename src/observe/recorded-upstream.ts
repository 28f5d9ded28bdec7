import { isRegistryError } from '../oci/errors.ts'
import { aroundRequests } from '../ports/around-requests.ts'
import type { Upstream } from '../ports/upstream.ts'
import type { Answer, Answers } from './answers.ts'

/** An upstream whose answers are recorded. A request that was not sent, or that its caller left, is none. */
export function recordedUpstream(
  upstream: Upstream,
  answers: Pick<Answers, 'record'>,
  now: () => number,
): Upstream {
  return aroundRequests(upstream, (name) => async ({ kind, reference }, ask) => {
    const at = now()
    const record = (answer: Pick<Answer, 'outcome' | 'detail'>): void =>
      answers.record(upstream.name, name, {
        at,
        kind,
        ...(reference !== undefined && { reference }),
        ...answer,
        milliseconds: now() - at,
      })
    try {
      const value = await ask()
      record({ outcome: value === undefined ? 'absent' : 'found' })
      return value
    } catch (error) {
      if (isRegistryError(error) && error.detail['asked'] === undefined)
        record({ outcome: error.code, detail: error.detail })
      throw error
    }
  })
}
