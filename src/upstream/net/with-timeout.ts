import { isRegistryError, RegistryError } from '../../oci/errors.ts'

/**
 * Runs work that sends upstream requests, and ends it after a fixed time. `signal` ends it earlier. The work
 * gets one signal that stands for both. The caller stops waiting soon after the abort even if the work does
 * not react to it.
 *
 * @throws RegistryError UPSTREAM_TIMEOUT
 */
export type WithTimeout = <T>(work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal) => Promise<T>

const LATE = 'no answer in time'

/** Whether this is the end of a deadline, which says something about the upstream, and not of a caller's wait. */
export function isDeadline(reason: unknown): boolean {
  return isRegistryError(reason, 'UPSTREAM_TIMEOUT') && reason.detail['reason'] === LATE
}

/** Milliseconds that aborted work may take to end with an error of its own, which says more. */
const LAST_WORDS = 50

/**
 * One deadline in milliseconds for everything that one answer needs: challenge, token, redirects, headers
 * however slowly they arrive, and the body where `work` reads it. undici's own `headersTimeout` starts again
 * for each of them.
 */
export function withTimeout(upstream: string, milliseconds: number): WithTimeout {
  return async (work, signal) => {
    const late = new AbortController()
    const ended = Promise.withResolvers<never>()
    let lastWords: NodeJS.Timeout | undefined
    const endSoon = (reason: unknown): void => {
      lastWords ??= setTimeout(ended.reject, LAST_WORDS, reason)
    }
    const timer = setTimeout(() => {
      const error = new RegistryError('UPSTREAM_TIMEOUT', { upstream, reason: LATE })
      late.abort(error)
      endSoon(error)
    }, milliseconds)
    const leave = (): void => endSoon(signal!.reason)
    if (signal?.aborted) leave()
    else signal?.addEventListener('abort', leave, { once: true })
    try {
      const both = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
      return await Promise.race([work(both), ended.promise])
    } finally {
      clearTimeout(timer)
      clearTimeout(lastWords)
      signal?.removeEventListener('abort', leave)
    }
  }
}
