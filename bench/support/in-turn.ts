import type { System } from './systems.ts'

/** Round by round, every system once, so that what else the machine does meets all of them. The first rounds may not count. */
export async function inTurn<T>(
  systems: readonly System[],
  rounds: number,
  measure: (system: System, round: number) => Promise<T>,
  uncounted = 1,
): Promise<Map<System, T[]>> {
  const values = new Map(systems.map((system) => [system, [] as T[]]))
  for (let round = 1 - uncounted; round <= rounds; round++) {
    for (const [system, all] of values) {
      const value = await measure(system, round)
      if (round > 0) all.push(value)
    }
  }
  return values
}
