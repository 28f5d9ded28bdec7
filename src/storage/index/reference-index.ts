import type { DigestList } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { PackedLines } from '../../oci/packed-lines.ts'
import type { ReferenceIndex } from '../../ports/metadata.ts'
import type { IndexAccess } from './index-access.ts'
import { STEP } from './sql.ts'

/**
 * The references of manifests. A manifest may have thousands, so they are added in slices; `content.refs` is
 * set when all are there, and cleared before some are removed.
 */
export function referenceIndex({ query, changeAll }: IndexAccess): ReferenceIndex {
  return {
    has: (manifest) => query((sql) => sql.hasReferences.get(manifest) !== undefined),
    async record(manifest, references) {
      const isWanted = await query(
        (sql) => sql.findContent.get(manifest) !== undefined && sql.hasReferences.get(manifest) === undefined,
      )
      if (!isWanted) return
      // In the order of the index, so that one page of it takes many, and is written once.
      const distinct = references instanceof PackedLines ? references : [...new Set(references)].toSorted()
      const isOneThing = true
      await changeAll(
        stepsOf(distinct),
        (sql, step) => {
          // It may have been evicted between two slices.
          if (sql.findContent.get(manifest) === undefined) return
          sql.addReferences.run(manifest, JSON.stringify([...step]))
        },
        isOneThing,
      )
      await query((sql) => void sql.setReferences.run(manifest, distinct.length))
    },
  }
}

function stepsOf(references: DigestList): readonly Iterable<Digest>[] {
  if (references instanceof PackedLines) return references.slices(STEP)
  return Array.from({ length: Math.ceil(references.length / STEP) }, (_, i) =>
    references.slice(i * STEP, (i + 1) * STEP),
  )
}
