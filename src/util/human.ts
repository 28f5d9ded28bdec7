const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
const AGES = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** `532 B`, `3.4 MiB`, `128 GiB` */
export function sizeText(bytes: number): string {
  let value = bytes
  let unit = 0
  // 1023.6 would be rounded to 1024, which is 1.0 of the next unit.
  for (; value >= 1023.5 && unit < SIZES.length - 1; unit++) value /= 1024
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${SIZES[unit]}`
}

/** `3 d`, `20 min`, `now` */
export function ageText(milliseconds: number): string {
  const found = AGES.find(([, length]) => milliseconds >= length)
  return found === undefined ? 'now' : `${Math.floor(milliseconds / found[1])} ${found[0]}`
}

/** `3 min ago`, `now` */
export function agoText(milliseconds: number): string {
  const text = ageText(milliseconds)
  return text === 'now' ? text : `${text} ago`
}

/** `3 d`, `20 min`, `0.4 s` */
export function durationText(milliseconds: number): string {
  return milliseconds < 10_000 ? `${(milliseconds / 1000).toFixed(1)} s` : ageText(milliseconds)
}

/** An instant of ISO 8601 without its milliseconds, which a person does not need: `2026-11-26T08:24:57Z` */
export function instantText(iso: string): string {
  return iso.replace(/\.\d+Z$/, 'Z')
}

/** `1 image`, `2 images` */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** As Docker shortens digests. */
export function digestText(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12)
}
