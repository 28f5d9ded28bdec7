import type { Digest } from '../../../oci/digest.ts'
import type { ListCopy, TrustedDigest, TrustedDigests } from '../../../ports/time.ts'
import type { IndexAccess } from '../index-access.ts'

/** How many are kept. */
const MOST = 1_000

export function trustedDigests({
  query,
  transact,
}: Pick<IndexAccess, 'query' | 'transact'>): TrustedDigests & ListCopy<TrustedDigest> {
  return {
    list: () =>
      query((sql) =>
        (sql.trusted.all() as unknown as Row[]).map(({ upstream, repository, digest, addedAt }) => ({
          repository: { upstream, name: repository },
          digest,
          addedAt,
        })),
      ),
    of: ({ upstream, name }) =>
      query(
        (sql) => new Set((sql.trustedIn.all(upstream, name) as unknown as Row[]).map(({ digest }) => digest)),
      ),
    add: ({ repository: { upstream, name }, digest, addedAt }) =>
      transact((sql) => {
        const isFull = Number(sql.countTrusted.get()!['count']) >= MOST
        const { changes } = sql.addTrusted.run(upstream, name, digest, addedAt)
        if (Number(changes) === 0) return 'known'
        if (!isFull) return 'added'
        sql.removeTrusted.run(upstream, name, digest)
        return 'full'
      }),
    remove: ({ upstream, name }, digest) =>
      query((sql) => Number(sql.removeTrusted.run(upstream, name, digest).changes) > 0),
    replace: (items) =>
      transact((sql) => {
        const kept = new Set(items.map(({ repository, digest }) => keyOf({ ...repository, digest })))
        for (const { upstream, repository, digest } of sql.trusted.all() as unknown as Row[])
          if (!kept.has(keyOf({ upstream, name: repository, digest })))
            sql.removeTrusted.run(upstream, repository, digest)
        for (const { repository, digest, addedAt } of items)
          sql.addTrusted.run(repository.upstream, repository.name, digest, addedAt)
      }),
  }
}

interface Row {
  readonly upstream: string
  readonly repository: string
  readonly digest: Digest
  readonly addedAt: number
}

function keyOf(of: { readonly upstream: string; readonly name: string; readonly digest: Digest }): string {
  return `${of.upstream} ${of.name} ${of.digest}`
}
