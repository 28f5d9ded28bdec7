/**
 * The results of `load` in the order of the items. Up to `most` of them are loaded at a time, before they are
 * wanted.
 *
 * @throws what `load` threw, when its result is wanted
 */
export async function* lookAhead<T, R>(
  items: readonly T[],
  most: number,
  load: (item: T) => Promise<R>,
): AsyncGenerator<readonly [T, R]> {
  const loading: Promise<R>[] = []
  let next = 0
  for (const item of items) {
    while (loading.length < most && next < items.length) {
      const result = load(items[next++]!)
      // The caller may have left before it is wanted.
      result.catch(() => {})
      loading.push(result)
    }
    yield [item, await loading.shift()!]
  }
}
