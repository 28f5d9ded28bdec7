import { yieldEvery } from './yield-every.ts'

/** Items that are sorted, or merged, in one go: about a millisecond. */
const AT_ONCE = 500

/** The items in order, as `toSorted` has them. The event loop turns in between: there may be a million. */
export async function sortedInTurns<T>(
  items: readonly T[],
  compare: (one: T, other: T) => number,
): Promise<readonly T[]> {
  const pause = yieldEvery()
  let runs: (readonly T[])[] = []
  for (let i = 0; i < items.length; i += AT_ONCE) {
    runs.push(items.slice(i, i + AT_ONCE).toSorted(compare))
    await pause()
  }
  while (runs.length > 1) {
    const longer: (readonly T[])[] = []
    for (let i = 0; i < runs.length; i += 2) longer.push(await merged(runs[i]!, runs[i + 1] ?? []))
    runs = longer
  }
  return runs[0] ?? []

  async function merged(first: readonly T[], second: readonly T[]): Promise<readonly T[]> {
    const all: T[] = []
    let [i, j] = [0, 0]
    while (i < first.length && j < second.length) {
      all.push(compare(first[i]!, second[j]!) <= 0 ? first[i++]! : second[j++]!)
      if (all.length % AT_ONCE === 0) await pause()
    }
    return all.concat(first.slice(i), second.slice(j))
  }
}
