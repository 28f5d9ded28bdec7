/**
 * How far two instants are apart, in milliseconds. A clock that was set back makes an instant of before one of
 * the future: what is counted from it is not to last until the clock has come round again.
 */
export function timeBetween(one: number, other: number): number {
  return Math.abs(one - other)
}
