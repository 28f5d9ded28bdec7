import { RegistryError } from '../../oci/errors.ts'

/**
 * Runs work that asks upstream, and ends it when it takes too long. `signal` ends it too; the work gets one that stands for both.
 *
 * @throws RegistryError UPSTREAM_TIMEOUT
 */
export type Bounded = <T>(work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal) => Promise<T>

/**
 * A total for everything that belongs to one answer: challenge, token, redirects, headers however slowly they drip, and the body
 * where it is read within. undici's own `headersTimeout` begins anew with each of them.
 */
export function deadline(upstream: string, milliseconds: number): Bounded {
  return async (work, signal) => {
    const late = new AbortController()
    const reason = 'no answer in time'
    const timer = setTimeout(
      () => late.abort(new RegistryError('UPSTREAM_TIMEOUT', { upstream, reason })),
      milliseconds,
    )
    try {
      return await work(signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]))
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Waits for work that others share, no longer than `signal` allows; the work itself goes on. */
export async function waitFor<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const ended = Promise.withResolvers<never>()
  const end = (): void => ended.reject(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    return await Promise.race([work, ended.promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}
