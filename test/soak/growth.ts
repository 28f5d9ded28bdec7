import type { Vitals } from './vitals.ts'

/** By this minute, all that is kept is there: memory and descriptors at the end are compared with it. */
const SETTLED_MINUTE = 5
const GROWTH = 1.1
/** One minute has more of trouble than another, so that many are averaged, from that one on and up to the end. */
const AVERAGED = 3

/** What memory and descriptors are kept for has a bound, which is reached in minutes. @returns what has grown */
export function growthIn(minutes: readonly Vitals[]): readonly string[] {
  if (minutes.length < 2 * SETTLED_MINUTE) return []
  return (['memory', 'descriptors'] as const).flatMap((kind) => {
    const settled = meanOf(minutes.slice(SETTLED_MINUTE - 1, SETTLED_MINUTE - 1 + AVERAGED), kind)
    const final = meanOf(minutes.slice(-AVERAGED), kind)
    const [from, to] = [settled, final].map(Math.round)
    return final <= GROWTH * settled
      ? []
      : [`${kind}: ${from} from minute ${SETTLED_MINUTE} on, ${to} at the end`]
  })
}

function meanOf(minutes: readonly Vitals[], kind: keyof Vitals): number {
  return minutes.reduce((sum, one) => sum + one[kind], 0) / minutes.length
}
