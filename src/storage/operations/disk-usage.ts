import type { StoreUsage } from '../../ports/metadata.ts'
import type { DiskUsage, Size, UpstreamUsage } from '../../ports/operations.ts'
import { eachRow, type Steps } from '../index/in-slices.ts'
import type { Statements } from '../index/sql.ts'

/** A sum of content. Without a repository it is an upstream's, without an upstream all that is linked. */
export interface UsageRow extends Size {
  readonly upstream?: string
  readonly repository?: string
}

interface Row {
  readonly upstream: string
  readonly repository: string
  readonly size: number
  readonly digest: string
  readonly isFirstInUpstream: 0 | 1
  readonly isFirst: 0 | 1
}

/** Adds up the content of each repository. An upstream comes before its repositories, the largest first. */
export function* usageRows(sql: Statements): Steps<readonly UsageRow[]> {
  const upstreams = new Map<string, Sum & { readonly repositories: Map<string, Sum> }>()
  const linked = sum()
  yield* eachRow<Row>(
    (last) => sql.linkedContent.all(...(last ? [last.upstream, last.repository, last.digest] : ['', '', ''])),
    ({ upstream, repository, size, isFirstInUpstream, isFirst }) => {
      const of = upstreams.get(upstream) ?? { ...sum(), repositories: new Map<string, Sum>() }
      upstreams.set(upstream, of)
      const here = of.repositories.get(repository) ?? sum()
      of.repositories.set(repository, here)
      add(here, size)
      if (isFirstInUpstream) add(of, size)
      if (isFirst) add(linked, size)
    },
  )
  const rows: UsageRow[] = [linked]
  for (const [upstream, { objects, bytes, repositories }] of largestFirst(upstreams)) {
    rows.push({ upstream, objects, bytes })
    for (const [repository, size] of largestFirst(repositories)) rows.push({ upstream, repository, ...size })
  }
  return rows
}

/** Puts the rows together with the sums of the whole store. `shares`: bytes that upstreams may take. */
export async function diskUsage(
  pages: AsyncIterable<readonly UsageRow[]>,
  usage: () => Promise<StoreUsage>,
  shares: ReadonlyMap<string, number>,
): Promise<DiskUsage> {
  const upstreams: (UpstreamUsage & { readonly repositories: (Size & { readonly name: string })[] })[] = []
  let linked: Size = sum()
  for await (const page of pages) {
    for (const { upstream, repository, objects, bytes } of page) {
      if (upstream === undefined) linked = { objects, bytes }
      else if (repository === undefined) {
        const maxSize = shares.get(upstream)
        const limit = maxSize === undefined ? {} : { maxSize }
        upstreams.push({ name: upstream, objects, bytes, ...limit, repositories: [] })
      } else upstreams.at(-1)!.repositories.push({ name: repository, objects, bytes })
    }
  }
  const { objects, bytes, indexBytes, partialBytes, runningBytes } = await usage()
  return {
    objects,
    bytes,
    upstreams,
    indexBytes,
    partialBytes: partialBytes + runningBytes,
    // Content that came or went during the count must not make it negative.
    unlinked: {
      objects: Math.max(0, objects - linked.objects),
      bytes: Math.max(0, bytes - linked.bytes),
    },
  }
}

type Sum = { -readonly [K in keyof Size]: Size[K] }

function sum(): Sum {
  return { objects: 0, bytes: 0 }
}

function add(sum: Sum, size: number): void {
  sum.objects += 1
  sum.bytes += size
}

function largestFirst<T extends Size>(sizes: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...sizes].toSorted(([, a], [, b]) => b.bytes - a.bytes)
}
