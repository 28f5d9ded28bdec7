import { refuse } from '../refuse.ts'

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The milliseconds of `90m`, `12h` or `7d`, the value of a parameter. @throws HTTPException 400 */
export function periodOf(text: string, parameter: string): number {
  const [, count, unit] =
    /^([1-9]\d{0,4})([mhd])$/.exec(text) ?? refuse(400, `${parameter} must be a time such as 90m, 12h or 7d`)
  return Number(count) * UNITS[unit!]!
}
