/**
 * Waits for `promise` until `signal` aborts. Without a signal it waits as long as the promise takes.
 *
 * The work behind the promise goes on after the abort: others may share it. Its late error is handled here.
 *
 * @throws the promise's error, or the signal's reason.
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
