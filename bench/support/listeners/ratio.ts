import { median } from '../report.ts'

const SAMPLES = 10_000

export interface Ratio {
  readonly ratio: number
  /** Where it lies in 95 % of samples of the rounds (the bootstrap). */
  readonly low: number
  readonly high: number
}

/**
 * Of the medians of all values, which come from rounds that were measured in turn. What else a machine does makes
 * the answers of seconds on end late: it is drawn with its round, or is not.
 */
export function ratioOf(of: readonly (readonly number[])[], to: readonly (readonly number[])[]): Ratio {
  const ratioIn = (rounds: readonly number[]): number =>
    median(rounds.flatMap((round) => of[round]!)) / median(rounds.flatMap((round) => to[round]!))
  const rounds = [...of.keys()]
  const drawn = (): number => ratioIn(rounds.map(() => Math.floor(Math.random() * rounds.length)))
  const ratios = Array.from({ length: SAMPLES }, drawn).toSorted((a, b) => a - b)
  return {
    ratio: ratioIn(rounds),
    low: ratios[Math.floor(0.025 * SAMPLES)]!,
    high: ratios[Math.floor(0.975 * SAMPLES)]!,
  }
}

export function p99Of(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!
}
