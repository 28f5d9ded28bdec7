/**
 * Milliseconds that a client waits for upstream when there is an old answer to fall back to. The request
 * upstream goes on.
 */
const STALE_FALLBACK_TIMEOUT = 4_500

/** Aborts when `signal` does, and after the stale-fallback timeout. */
export function staleFallbackSignal(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(STALE_FALLBACK_TIMEOUT)
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout])
}

/**
 * Whether a wait under `staleFallbackSignal(signal)` ended by its timeout, and not because the client left.
 */
export function isStaleFallback(error: unknown, signal: AbortSignal | undefined): boolean {
  return !signal?.aborted && error instanceof DOMException && error.name === 'TimeoutError'
}
