/**
 * The same bytes; an error when none come for `milliseconds`, or when the signal aborts. Leaving them early
 * does not close the source: its owner may still have to answer on the same connection.
 */
export function withoutStalls(
  bytes: ReadableStream<Uint8Array>,
  milliseconds: number,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const reader = bytes.getReader()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { promise: stopped, reject: stop } = Promise.withResolvers<never>()
      const abort = () => stop(signal.reason as Error)
      const timer = setTimeout(
        () => stop(new Error(`no bytes came for ${milliseconds / 1000} s`)),
        milliseconds,
      )
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
      try {
        const { done, value } = await Promise.race([reader.read(), stopped])
        if (done) controller.close()
        else controller.enqueue(value)
      } finally {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
      }
    },
  })
}
