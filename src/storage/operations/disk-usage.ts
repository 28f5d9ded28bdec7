import type { DiskUsage, Size } from '../../ports/operations.ts'
import { yieldEvery } from '../../util/yield-every.ts'
import type { Query } from '../index/sql.ts'

/** Adds up the content of each repository in slices. `totals` returns the sum of all content. */
export async function diskUsage(query: Query, totals: () => Promise<Size>): Promise<DiskUsage> {
  const pause = yieldEvery()
  const upstreams = new Map<string, Sum & { readonly repositories: Map<string, Sum> }>()
  const linked = sum()
  for (let last: readonly string[] = ['', '', '']; ;) {
    const page = (await query((sql) => sql.linkedContent.all(...last))) as unknown as Row[]
    for (const { upstream, repository, size, isFirstInUpstream, isFirst } of page) {
      const of = upstreams.get(upstream) ?? { ...sum(), repositories: new Map<string, Sum>() }
      upstreams.set(upstream, of)
      const here = of.repositories.get(repository) ?? sum()
      of.repositories.set(repository, here)
      add(here, size)
      if (isFirstInUpstream) add(of, size)
      if (isFirst) add(linked, size)
    }
    const end = page.at(-1)
    if (end === undefined) break
    last = [end.upstream, end.repository, end.digest]
    await pause()
  }
  const { objects, bytes } = await totals()
  return {
    objects,
    bytes,
    upstreams: named(upstreams).map(({ name, objects, bytes, repositories }) => ({
      name,
      objects,
      bytes,
      repositories: named(repositories),
    })),
    // Content that came or went during the count must not make it negative.
    unlinked: {
      objects: Math.max(0, objects - linked.objects),
      bytes: Math.max(0, bytes - linked.bytes),
    },
  }
}

interface Row {
  readonly upstream: string
  readonly repository: string
  readonly digest: string
  readonly size: number
  readonly isFirstInUpstream: 0 | 1
  readonly isFirst: 0 | 1
}

type Sum = { -readonly [K in keyof Size]: Size[K] }

function sum(): Sum {
  return { objects: 0, bytes: 0 }
}

function add(sum: Sum, size: number): void {
  sum.objects += 1
  sum.bytes += size
}

/** The largest first. */
function named<T extends Size>(shares: ReadonlyMap<string, T>): readonly (T & { readonly name: string })[] {
  const all = Array.from(shares, ([name, share]) => Object.assign({ name }, share))
  return all.toSorted((a, b) => b.bytes - a.bytes)
}
