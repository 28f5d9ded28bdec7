import type { Digest } from '../../../oci/digest.ts'
import type { TagChange, TagStretch } from '../../../ports/metadata.ts'
import { TAG_CHANGES } from './tag-changes.ts'

export interface HistoryRow {
  readonly at: number
  readonly digest: Digest
  /** When that ended; null = at the next row, or not yet. */
  readonly endedAt: number | null
}

/** The changes of a tag from its rows, both newest first. A digest that was only away is no change. */
export function changesIn(rows: readonly HistoryRow[]): readonly TagChange[] {
  return rows
    .filter(({ digest }, i) => digest !== rows[i + 1]?.digest)
    .map(({ at, digest }) => ({ at, digest }))
}

/** The same with the times of which nothing is known. */
export function stretchesIn(rows: readonly HistoryRow[]): readonly TagStretch[] {
  return rows.map(({ at, digest, endedAt }, i) => {
    if (endedAt === null) return { from: at, until: rows[i - 1]?.at, digest }
    // Where as many rows are there as are kept, those after the first sight may be gone.
    const isForgotten = i > 0 && i === TAG_CHANGES - 1
    return { from: at, until: endedAt, digest, end: isForgotten ? 'forgotten' : 'deleted' }
  })
}
