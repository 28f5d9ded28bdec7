import type { Digest } from '../../oci/digest.ts'
import type { Image } from '../../ports/operations.ts'
import { yieldEvery } from '../../util/yield-every.ts'
import type { Query } from '../index/sql.ts'

/** An image as the index has it, without sizes and pins. */
export type ImageRow = Pick<Image, 'repository' | 'tag' | 'digest' | 'storedAt' | 'lastUsed' | 'hits'>

interface TaggedRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly storedAt: number | null
  readonly lastUsed: number
  readonly hits: number
}

type ManifestRow = Pick<ImageRow, 'digest' | 'lastUsed' | 'hits'> & { readonly storedAt: number }

/** All images, read in slices. */
export async function imageRows(query: Query): Promise<ImageRow[]> {
  const pause = yieldEvery()
  const images: ImageRow[] = []
  for (let last: readonly string[] = ['', '', '']; ;) {
    const page = (await query((sql) => sql.taggedImages.all(...last))) as unknown as TaggedRow[]
    for (const { upstream, repository, storedAt, ...row } of page)
      images.push({ ...row, repository: { upstream, name: repository }, storedAt: storedAt ?? undefined })
    const end = page.at(-1)
    if (end === undefined) break
    last = [end.upstream, end.repository, end.tag]
    await pause()
  }
  for (let last = ''; ;) {
    const page = (await query((sql) => sql.manifests.all(last))) as unknown as ManifestRow[]
    for (const row of page) {
      const places = await query((sql) => sql.untaggedIn.all(row.digest))
      for (const { upstream, repository } of places as { upstream: string; repository: string }[])
        images.push({ ...row, repository: { upstream, name: repository } })
      await pause()
    }
    const end = page.at(-1)
    if (end === undefined) return images
    last = end.digest
  }
}

/** The stored digests of these images and of everything below them, read in slices. */
export async function contentOf(
  query: Query,
  images: Iterable<Pick<ImageRow, 'digest'>>,
): Promise<Set<Digest>> {
  const pause = yieldEvery()
  const content = new Set<Digest>()
  for (const root of new Set(Array.from(images, ({ digest }) => digest))) {
    for (const { digest } of await query((sql) => sql.closure.all(root))) content.add(digest as Digest)
    await pause()
  }
  return content
}
