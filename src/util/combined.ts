type Listener<T> = { readonly [K in keyof T]: (...args: never[]) => void }

/** Calls the methods of that name of all of them, also of those that only one of `others` has. */
export function combined<T extends Listener<T>>(first: T, ...others: readonly Partial<T>[]): T {
  const all: readonly Partial<T>[] = [first, ...others]
  const names = new Set(all.flatMap((listener) => Object.keys(listener) as (keyof T)[]))
  return Object.fromEntries(
    Array.from(names, (name) => {
      const methods = all.flatMap((listener) => listener[name] ?? [])
      // A method that nobody else has costs nothing more than before.
      if (methods.length === 1) return [name, methods[0]]
      return [name, (...args: never[]) => methods.forEach((method) => method(...args))]
    }),
  ) as T
}
