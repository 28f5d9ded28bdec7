import { wallClock } from '../util/wall-clock.ts'

/** The clock of the process: even, and following the wall clock when that has moved and stayed. */
export function processClock(stepped: (milliseconds: number) => void): () => number {
  return wallClock({ wall: Date.now, monotonic: () => performance.now(), stepped })
}
