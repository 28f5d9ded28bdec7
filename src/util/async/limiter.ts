import { Rotation } from '../rotation.ts'

/**
 * Runs at most `most` tasks at a time, in the order of the calls, or in turns where there are several owners. The
 * caller gets the result or the error.
 */
export type Limiter = <T>(task: () => Promise<T>, owner?: string) => Promise<T>

export function limiter(most: number): Limiter {
  const waiting = new Rotation<() => void>()
  let running = 0

  return async (task, owner = '') => {
    if (running >= most) await new Promise<void>((resolve) => waiting.add(owner, resolve))
    else running += 1
    try {
      return await task()
    } finally {
      const next = waiting.next()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
