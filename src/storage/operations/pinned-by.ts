import { type ImageName, type ImagePattern, imagePattern } from '../../oci/image-pattern.ts'
import type { Statements } from '../index/sql.ts'

/** Which images are pinned, by what is configured and what is in the index now. */
export function pinnedBy(
  sql: Statements,
  configured: readonly ImagePattern[],
): (image: ImageName) => boolean {
  const added = sql.pins.all().map(({ pattern }) => imagePattern(String(pattern)))
  const patterns = [...configured, ...added]
  return (image) => patterns.some((pattern) => pattern.matches(image))
}
