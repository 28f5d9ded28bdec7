/**
 * Runs at most `most` tasks at a time, in the order of the calls. The caller gets the result or the error.
 */
export type Limiter = <T>(task: () => Promise<T>) => Promise<T>

export function limiter(most: number): Limiter {
  const waiting: (() => void)[] = []
  let running = 0

  return async (task) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
