import { isOutage, isRegistryError } from '../../oci/errors.ts'

/** How an endpoint dealt with one request. */
export type Answer<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'denied' | 'out'; readonly error: Error }

/**
 * What an endpoint's result says. An endpoint that is out, limits us or is too slow has not answered.
 *
 * @throws any other error: it is about the request, or about what the endpoint sent, and is an answer too
 */
export async function answerOf<T>(result: Promise<T | undefined>): Promise<Answer<T>> {
  try {
    const value = await result
    return value === undefined ? { kind: 'unknown' } : { kind: 'answered', value }
  } catch (error) {
    if (isRegistryError(error, 'UPSTREAM_DENIED')) return { kind: 'denied', error }
    if (isOutage(error)) return { kind: 'out', error }
    throw error
  }
}

/**
 * What a client gets when no endpoint has answered: that it does not exist, only where every one of them says
 * so.
 *
 * @returns undefined when it exists nowhere
 * @throws the first error of an endpoint that is out, else of one that denies it
 */
export function withoutAnswer(answers: readonly Exclude<Answer<never>, { kind: 'answered' }>[]): undefined {
  for (const kind of ['out', 'denied'] as const) {
    for (const answer of answers) if (answer.kind === kind) throw answer.error
  }
}
