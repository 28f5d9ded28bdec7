type Listener<T> = { readonly [K in keyof T]: (...args: never[]) => void }

/** `first`, whose methods also call those of the same name of `others`. */
export function combined<T extends Listener<T>>(first: T, ...others: readonly Partial<T>[]): T {
  const names = Object.keys(first) as (keyof T)[]
  return Object.fromEntries(
    names.map((name) => {
      const methods = [first, ...others].flatMap((listener) => listener[name] ?? [])
      // A method that nobody else has costs nothing more than before.
      if (methods.length === 1) return [name, methods[0]]
      return [name, (...args: never[]) => methods.forEach((method) => method(...args))]
    }),
  ) as T
}
