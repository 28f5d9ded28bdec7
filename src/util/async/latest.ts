/**
 * Stands for an object that is replaced now and then: each property is read from the one that `read` returns
 * at that moment.
 */
export function latest<T extends object>(read: () => T): T {
  return new Proxy({} as T, { get: (_, key) => Reflect.get(read(), key) as unknown })
}
