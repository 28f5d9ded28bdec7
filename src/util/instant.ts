/** `20261101`: its first second in UTC; `20261101t083000z`. As it stands in a name or a host: in lower case. */
const INSTANT = /^(\d{4})(\d\d)(\d\d)(?:t(\d\d)(\d\d)(\d\d)z)?$/

export const INSTANT_MUST = 'must be a day such as 20261101, or a second in UTC such as 20261101t083000z'

/** @returns epoch milliseconds; undefined when the text is no instant, such as the 30th of February */
export function parseInstant(text: string): number | undefined {
  const [, ...parts] = INSTANT.exec(text.toLowerCase()) ?? []
  if (parts.length === 0) return undefined
  const [year, month, day, hour = 0, minute = 0, second = 0] = parts.map((part) => Number(part ?? 0))
  const instant = Date.UTC(year!, month! - 1, day, hour, minute, second)
  return instantText(instant).startsWith(text.slice(0, 8)) && hour < 24 && minute < 60 && second < 60
    ? instant
    : undefined
}

/** What is wrong with an instant that has yet to come; undefined = it has come. Epoch milliseconds. */
export function futureMistake(instant: number, now: number): string | undefined {
  return instant > now ? `lies in the future: the time here is ${instantText(now)}` : undefined
}

/** `20261101t083000z` */
export function instantText(instant: number): string {
  return new Date(instant).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase().concat('z')
}
