import { median } from '../report.ts'

const SAMPLES = 10_000

/** Of the rounds at each end, which are left out: what else a machine does makes the answers of some late. */
const LEFT_OUT = 0.2

export interface Ratio {
  readonly ratio: number
  /** Where it lies in 95 % of samples of the rounds (the bootstrap). */
  readonly low: number
  readonly high: number
}

/**
 * The geometric mean of the ratios of the rounds, each of which is that of the medians of its values. A machine is
 * slower for minutes on end, so only what was measured in turn is compared.
 */
export function ratioOf(of: readonly (readonly number[])[], to: readonly (readonly number[])[]): Ratio {
  const ratios = of.map((values, round) => median(values) / median(to[round]!))
  const drawn = (): number => middle(ratios.map(() => ratios[Math.floor(Math.random() * ratios.length)]!))
  const samples = Array.from({ length: SAMPLES }, drawn).toSorted((a, b) => a - b)
  return {
    ratio: middle(ratios),
    low: samples[Math.floor(0.025 * SAMPLES)]!,
    high: samples[Math.floor(0.975 * SAMPLES)]!,
  }
}

function middle(ratios: readonly number[]): number {
  const left = Math.floor(ratios.length * LEFT_OUT)
  const logs = ratios
    .toSorted((a, b) => a - b)
    .slice(left, ratios.length - left)
    .map(Math.log)
  return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length)
}

export function p99Of(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!
}
