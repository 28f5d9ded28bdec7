import { z } from 'zod'
import { nearest } from '../nearest.ts'

/** A mapping with these keys and no others. */
export function section<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? keys : `must be a mapping of ${keys}`),
  })
}

export function list<T extends z.ZodType>(item: T) {
  return z.array(item, { error: ({ input }) => `must be a list${exampleOf(input)}` })
}

/** How a single item is written. One with an @ may hold a password. */
function exampleOf(input: unknown): string {
  return typeof input === 'string' && /^[\w.*/:-]{1,100}$/.test(input) ? `: ["${input}"]` : ''
}

/** What is said of a key that is not one of `known`, the message of the section's error. */
export function unknownKey(key: string, known: string): string {
  const suggestion = nearest(key, known.split(', '))
  const hint = suggestion === undefined ? '' : `, did you mean \`${suggestion}\`?`
  return `is not a known key${hint} (allowed: ${known})`
}
