import type { BucketReport } from '../ports/insight/insight.ts'

/** What a sweep has found. `at`: epoch milliseconds. */
interface Swept {
  readonly objects: number
  readonly bytes: number
  readonly keptBytes: number
  readonly at: number
}

/** @param limit bytes; undefined: none @param swept undefined: there was no sweep yet */
export function bucketReport(
  limit: number | undefined,
  swept: Swept | undefined,
): Omit<BucketReport, 'waitingUploads'> {
  const { objects = null, bytes = null, keptBytes = null } = swept ?? {}
  const isOver = limit !== undefined && keptBytes !== null && keptBytes > limit
  return {
    objects,
    bytes,
    keptBytes,
    limitBytes: limit ?? null,
    sweptAt: swept === undefined ? null : new Date(swept.at).toISOString(),
    trouble: isOver
      ? {
          said: 'what pins and views.retain keep is more than storage.s3.maxSize, and all else is removed',
          advice: 'raise storage.s3.maxSize, or pin and retain less',
        }
      : null,
  }
}
