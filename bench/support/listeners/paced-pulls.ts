import { fileURLToPath } from 'node:url'
import { succeed } from '../../../test/e2e/support/processes.ts'

export interface PacedPulls {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** Milliseconds that a connection waits before a request at most: as many as it happens. */
  readonly longestPause: number
}

const SCRIPT = fileURLToPath(new URL('paced-pulls.lua', import.meta.url))

/** The 99th percentile of their answer times, in milliseconds. @throws when there were answers that are no success */
export async function p99Of({ url, connections, seconds, longestPause }: PacedPulls): Promise<number> {
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT]
  const printed = await succeed('wrk', [...options, url, '--', String(longestPause)])
  const [, microseconds] = /^p99 (\d+)$/m.exec(printed) ?? []
  if (microseconds === undefined || /Non-2xx|Socket errors/.test(printed))
    throw new Error(`${url}\n${printed}`)
  return Number(microseconds) / 1000
}

const SAMPLES = 10_000

/**
 * The ratio of the lower quartiles, and where it lies in 95 % of samples of the values of each (the bootstrap).
 * What else a machine does only ever makes an answer later, so the quieter bouts tell of the server most.
 */
export function ratioOfQuartiles(
  of: readonly number[],
  to: readonly number[],
): { readonly ratio: number; readonly low: number; readonly high: number } {
  const drawn = (values: readonly number[]): number =>
    quartile(values.map(() => values[Math.floor(Math.random() * values.length)]!))
  const ratios = Array.from({ length: SAMPLES }, () => drawn(of) / drawn(to)).toSorted((a, b) => a - b)
  return {
    ratio: quartile(of) / quartile(to),
    low: ratios[Math.floor(0.025 * SAMPLES)]!,
    high: ratios[Math.floor(0.975 * SAMPLES)]!,
  }
}

function quartile(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 4)]!
}
