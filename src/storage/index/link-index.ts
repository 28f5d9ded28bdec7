import type { Digest } from '../../oci/digest.ts'
import type { LinkIndex } from '../../ports/metadata.ts'
import type { IndexAccess } from './index-access.ts'
import { LINKS, type Statements } from './sql.ts'

/** Which repository may read which content. */
export function linkIndex({ query, transact }: IndexAccess): LinkIndex {
  return {
    has: ({ upstream, name }, digest) =>
      query((sql) => sql.hasLink.get(upstream, name, digest) !== undefined),
    knows: (upstream, digest) => query((sql) => sql.knowsLink.get(digest, upstream) !== undefined),
    isLinked: (digest) => query((sql) => sql.anyLink.get(digest) !== undefined),
    add: ({ upstream, name }, digest, mediaType) =>
      transact((sql) => addLink(sql, upstream, name, digest, mediaType)),
    mediaType: ({ upstream, name }, digest) =>
      query(
        (sql) =>
          (sql.mediaTypeOf.get(upstream, name, digest)?.['mediaType'] ?? undefined) as string | undefined,
      ),
  }
}

/**
 * A link that is new for a digest with many links replaces another one, which then has to be proved again.
 */
function addLink(sql: Statements, upstream: string, name: string, digest: Digest, mediaType?: string): void {
  if (Number(sql.addLink.run(upstream, name, digest, mediaType ?? null).changes) === 0) return
  const { links } = sql.countLinks.get(digest, upstream) as { readonly links: number }
  if (links > LINKS) sql.removeAnotherLink.run(digest, upstream, name)
}
