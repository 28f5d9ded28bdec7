import type { Digest } from '../../oci/digest.ts'
import type { Steps } from '../index/in-slices.ts'
import type { Statements } from '../index/sql.ts'

interface ChildRow {
  readonly child: Digest
  readonly size: number
  /** Only a manifest can have children. */
  readonly isManifest: 0 | 1
}

/** Rows of one query. Also the largest step of a walk. */
const PAGE = 100

/**
 * Walks down from a manifest. `enter` is called for each stored reference, and decides whether to go on below
 * it.
 */
export function* walkDown(
  sql: Statements,
  root: Digest,
  enter: (digest: Digest, size: number) => boolean,
): Steps<void> {
  const open = [{ parent: root, after: '' }]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const rows = sql.children.all(place.parent, place.after) as unknown as readonly ChildRow[]
    if (rows.length === PAGE) open.push({ parent: place.parent, after: rows.at(-1)!.child })
    for (const { child, size, isManifest } of rows)
      if (enter(child, size) && isManifest) open.push({ parent: child, after: '' })
    yield
  }
}

/** These digests and everything below them. */
export function* closureOf(sql: Statements, roots: Iterable<Digest>): Steps<Set<Digest>> {
  const reached = new Set<Digest>()
  const enter = (digest: Digest): boolean => {
    if (reached.has(digest)) return false
    reached.add(digest)
    return true
  }
  for (const root of roots) if (enter(root)) yield* walkDown(sql, root, enter)
  return reached
}
