/** Epoch milliseconds by the clock as it was when the process began: setting the clock expires nothing. */
export function now(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}
