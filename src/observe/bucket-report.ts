import type { BucketReport } from '../ports/insight/insight.ts'

/** @param limit bytes; undefined: none @param at epoch milliseconds of the sweep that found this */
export function bucketReport(
  { objects, bytes, keptBytes }: Pick<BucketReport, 'objects' | 'bytes' | 'keptBytes'>,
  limit: number | undefined,
  at: number,
): BucketReport {
  const isOver = limit !== undefined && keptBytes > limit
  return {
    objects,
    bytes,
    keptBytes,
    limitBytes: limit ?? null,
    sweptAt: new Date(at).toISOString(),
    trouble: isOver
      ? {
          said: 'what pins and views.retain keep is more than storage.s3.maxSize, and all else is removed',
          advice: 'raise storage.s3.maxSize, or pin and retain less',
        }
      : null,
  }
}
