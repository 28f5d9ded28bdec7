import { limiter } from '../../util/async/limiter.ts'

/** Tasks at once. More uploads than this never run, and an image may have thousands of blobs. */
const AT_ONCE = 128

/**
 * Runs a task for each item, many at once. When one fails the others' signal aborts, and they have ended when
 * this throws.
 *
 * @throws what the first of them failed with
 */
export async function together<T>(
  items: readonly T[],
  task: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const giveUp = new AbortController()
  const either = AbortSignal.any([signal, giveUp.signal])
  const turn = limiter(AT_ONCE)
  const running = items.map((item) =>
    turn(async () => {
      either.throwIfAborted()
      try {
        await task(item, either)
      } catch (error) {
        giveUp.abort()
        throw error
      }
    }),
  )
  try {
    await Promise.all(running)
  } catch (error) {
    await Promise.allSettled(running)
    throw error
  }
}
