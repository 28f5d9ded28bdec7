import { z } from 'zod'
import { nearest } from './nearest.ts'

/** A mapping with these keys and no others. */
export function section<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape)
  return z.strictObject(shape, {
    error: ({ code, ...issue }) =>
      code === 'unrecognized_keys'
        ? unknownKey((issue.keys as string[])[0]!, keys)
        : `must be a mapping of ${keys.join(', ')}`,
  })
}

export function list<T extends z.ZodType>(item: T) {
  return z.array(item, { error: 'must be a list' })
}

function unknownKey(key: string, known: readonly string[]): string {
  const suggestion = nearest(key, known)
  const hint = suggestion === undefined ? '' : `, did you mean \`${suggestion}\`?`
  return `is not a known key${hint} (allowed: ${known.join(', ')})`
}
