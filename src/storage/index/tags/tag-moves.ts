import type { Digest } from '../../../oci/digest.ts'
import type { MovesSince, TagMove } from '../../../ports/time.ts'
import { inSlices } from '../in-slices.ts'
import type { Query } from '../sql.ts'

/**
 * Reads the history backwards. It is in the order of time but for steps of the clock, so the end is a whole
 * page of older changes.
 */
export function movesSince(query: Query): MovesSince {
  return (instant, limit) =>
    inSlices(query, function* (sql) {
      const moves: TagMove[] = []
      for (let id = Number.MAX_SAFE_INTEGER; moves.length < limit;) {
        const page = sql.changesBefore.all(id) as unknown as readonly Row[]
        const recent = page.filter(({ at }) => at >= instant)
        if (recent.length === 0) break
        for (const { upstream, repository, tag, at, before, digest } of recent) {
          if (before === null || before === digest) continue
          moves.push({ repository: { upstream, name: repository }, tag, at, from: before, to: digest })
        }
        id = page.at(-1)!.id
        yield
      }
      return moves.slice(0, limit)
    })
}

interface Row {
  readonly id: number
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly at: number
  readonly digest: Digest
  /** null = it is the first sight of the tag. The same digest: upstream had deleted the tag for a while. */
  readonly before: Digest | null
}
