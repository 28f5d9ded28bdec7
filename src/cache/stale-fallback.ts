/** Milliseconds that a client waits for upstream where there is an old answer to fall back to. The question itself goes on. */
const PATIENCE = 4_500

/** A signal that ends a wait when `signal` does, and when patience does. */
export function patience(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(PATIENCE)
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout])
}

/** Whether a wait under `patience(signal)` ended because it took too long, and not because of who waited. */
export function isImpatience(error: unknown, signal: AbortSignal | undefined): boolean {
  return !signal?.aborted && error instanceof DOMException && error.name === 'TimeoutError'
}
