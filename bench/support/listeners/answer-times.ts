import { fileURLToPath } from 'node:url'
import { succeed } from '../../../test/e2e/support/processes.ts'

/** How often there was each answer time, by microseconds. */
export type AnswerTimes = ReadonlyMap<number, number>

export interface Pulls {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** Milliseconds that a connection waits before a request, at random. 0: it asks as fast as it is answered. */
  readonly longestPause: number
}

const SCRIPT = fileURLToPath(new URL('answer-times.lua', import.meta.url))

/** The answer times of all pulls. @throws when there were answers that are no success */
export async function answerTimes({ url, connections, seconds, longestPause }: Pulls): Promise<AnswerTimes> {
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT]
  const printed = await succeed('wrk', [...options, url, '--', String(longestPause)])
  if (/Non-2xx|Socket errors/.test(printed)) throw new Error(`${url}\n${printed}`)
  const times = [...printed.matchAll(/^time (\d+) (\d+)$/gm)]
  return new Map(times.map(([, time, count]) => [Number(time), Number(count)]))
}

/** The 99th percentile of all of them together, in milliseconds. */
export function p99Of(all: readonly AnswerTimes[]): number {
  const counts = new Map<number, number>()
  let total = 0
  for (const times of all) {
    for (const [time, count] of times) {
      counts.set(time, (counts.get(time) ?? 0) + count)
      total += count
    }
  }
  let slower = total / 100
  for (const [time, count] of [...counts].toSorted(([a], [b]) => b - a)) {
    slower -= count
    if (slower <= 0) return time / 1000
  }
  throw new Error('no answers')
}

const SAMPLES = 1000

/**
 * The ratio of two p99, and between what it lies in 95 % of samples: bouts are drawn, for what disturbs a
 * measurement meets the answers of one bout together. Bouts of the same index were measured next to each other.
 */
export function p99Ratio(
  of: readonly AnswerTimes[],
  to: readonly AnswerTimes[],
): { readonly ratio: number; readonly low: number; readonly high: number } {
  const ratios = Array.from({ length: SAMPLES }, () => {
    const drawn = of.map(() => Math.floor(Math.random() * of.length))
    return p99Of(drawn.map((i) => of[i]!)) / p99Of(drawn.map((i) => to[i]!))
  }).toSorted((a, b) => a - b)
  const at = (part: number): number => ratios[Math.floor(part * SAMPLES)]!
  return { ratio: p99Of(of) / p99Of(to), low: at(0.025), high: at(0.975) }
}
