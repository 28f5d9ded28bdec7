/** Parses and formats numbers that have a unit. */
export interface Quantity {
  /** @returns undefined when the text is not a quantity, or too large to be exact. */
  parse(text: string): number | undefined
  /** Uses the largest unit that is exact, so that `parse` returns the same number. */
  format(value: number): string
}

/** Milliseconds: `500ms 60s 10m 1h 7d`. */
export const duration = quantity({ d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 })

/** Bytes: `512KiB 50GiB 10GB`, or a number of them. */
export const size = quantity({
  TiB: 2 ** 40,
  TB: 1e12,
  GiB: 2 ** 30,
  GB: 1e9,
  MiB: 2 ** 20,
  MB: 1e6,
  KiB: 2 ** 10,
  KB: 1e3,
  B: 1,
  '': 1,
})

/** A share, from 0 to 1: `25%` or `0.25`. */
export const share: Quantity = {
  parse(text) {
    const match = /^(\d+(?:\.\d+)?(?:e-\d+)?)(%?)$/.exec(text)
    if (match === null) return undefined
    const value = Number(match[1]) / (match[2] === '%' ? 100 : 1)
    return value <= 1 ? value : undefined
  },
  format(value) {
    const percent = `${Number((value * 100).toPrecision(15))}%`
    return share.parse(percent) === value ? percent : String(value)
  },
}

/** @param units factors by name, the largest first. */
function quantity(units: Readonly<Record<string, number>>): Quantity {
  return {
    parse(text) {
      const match = /^(\d+)([A-Za-z]*)$/.exec(text)
      if (match === null || !Object.hasOwn(units, match[2]!)) return undefined
      const value = Number(match[1]) * units[match[2]!]!
      return Number.isSafeInteger(value) ? value : undefined
    },
    format(value) {
      const whole = Object.entries(units).find(([, factor]) => value >= factor && value % factor === 0)
      const [unit, factor] = whole ?? Object.entries(units).find(([, factor]) => factor === 1)!
      return `${value / factor}${unit}`
    },
  }
}
