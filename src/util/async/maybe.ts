/**
 * An answer that is there at once, or comes later; `undefined` = there is none. Only a promise has to be
 * awaited.
 */
export type Maybe<T> = T | undefined | Promise<T | undefined>

/** Calls `next` with the answer: in the same tick when the answer is there, else when it comes. */
export function whenKnown<T, R>(answer: T | Promise<T>, next: (value: T) => R): R | Promise<Awaited<R>> {
  return answer instanceof Promise ? whenThere(answer, next) : next(answer)
}

async function whenThere<T, R>(answer: Promise<T>, next: (value: T) => R): Promise<Awaited<R>> {
  return await next(await answer)
}
