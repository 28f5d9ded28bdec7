import { type ImageName, type ImagePattern, imagePattern } from '../../oci/image-pattern.ts'
import type { Statements } from '../index/sql.ts'

/** Whether an image is pinned, by the configuration or by the index as it is now. */
export function pinnedBy(
  sql: Statements,
  configured: readonly ImagePattern[],
): (image: ImageName) => boolean {
  const added = sql.pins.all().map(({ pattern }) => imagePattern(String(pattern)))
  const patterns = [...configured, ...added]
  return (image) => patterns.some((pattern) => pattern.matches(image))
}
