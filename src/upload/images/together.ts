/**
 * Runs a task for each item at once. When one fails the others' signal aborts, and they have ended when this
 * throws.
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
  const running = items.map((item) => task(item, either))
  try {
    await Promise.all(running)
  } catch (error) {
    giveUp.abort()
    await Promise.allSettled(running)
    throw error
  }
}
