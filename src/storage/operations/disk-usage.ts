import type { StoreUsage } from '../../ports/metadata.ts'
import type { DiskUsage, Size } from '../../ports/operations.ts'
import { eachRow, inSlices } from '../index/in-slices.ts'
import type { Query } from '../index/sql.ts'

interface Row {
  readonly upstream: string
  readonly repository: string
  readonly digest: string
  readonly size: number
  readonly isFirstInUpstream: 0 | 1
  readonly isFirst: 0 | 1
}

/** Adds up the content of each repository in slices. `usage` returns the sums of the whole store. */
export async function diskUsage(query: Query, usage: () => Promise<StoreUsage>): Promise<DiskUsage> {
  const upstreams = new Map<string, Sum & { readonly repositories: Map<string, Sum> }>()
  const linked = sum()
  await inSlices(query, (sql) =>
    eachRow<Row>(
      (last) =>
        sql.linkedContent.all(...(last ? [last.upstream, last.repository, last.digest] : ['', '', ''])),
      ({ upstream, repository, size, isFirstInUpstream, isFirst }) => {
        const of = upstreams.get(upstream) ?? { ...sum(), repositories: new Map<string, Sum>() }
        upstreams.set(upstream, of)
        const here = of.repositories.get(repository) ?? sum()
        of.repositories.set(repository, here)
        add(here, size)
        if (isFirstInUpstream) add(of, size)
        if (isFirst) add(linked, size)
      },
    ),
  )
  const { objects, bytes, indexBytes, partialBytes, runningBytes } = await usage()
  return {
    objects,
    bytes,
    upstreams: largestFirst(upstreams).map(({ name, objects, bytes, repositories }) => ({
      name,
      objects,
      bytes,
      repositories: largestFirst(repositories),
    })),
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

function largestFirst<T extends Size>(
  sizes: ReadonlyMap<string, T>,
): readonly (T & { readonly name: string })[] {
  const all = Array.from(sizes, ([name, size]) => Object.assign({ name }, size))
  return all.toSorted((a, b) => b.bytes - a.bytes)
}
