export interface Speedometer {
  /** Bytes per second over the last few ticks. */
  readonly rate: number
  /** Ticks since the start. */
  readonly age: number
  add(bytes: number): void
  tick(): void
}

const WINDOW = 4

/** Measures a flow over a sliding window of ticks of `period` milliseconds. */
export function speedometer(period: number): Speedometer {
  const counts: number[] = []
  let current = 0
  let age = 0
  let sum = 0

  return {
    get rate() {
      return counts.length === 0 ? 0 : (sum * 1000) / (counts.length * period)
    },
    get age() {
      return age
    },
    add(bytes) {
      current += bytes
    },
    tick() {
      counts.push(current)
      sum += current
      current = 0
      age += 1
      if (counts.length > WINDOW) sum -= counts.shift() ?? 0
    },
  }
}
