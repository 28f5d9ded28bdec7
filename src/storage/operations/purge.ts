import type { Image, ImageCatalogue } from '../../ports/operations.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ImagePattern } from '../../oci/image-pattern.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { BlobStore } from '../../ports/blob-store.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'
import { contentOf, type ImageRow, imageRows } from './image-rows.ts'
import { yieldEvery } from '../../util/yield-every.ts'
import type { Query } from '../index/sql.ts'

export interface PurgeOptions {
  readonly query: Query
  readonly blobs: Pick<BlobStore, 'delete'>
  readonly telemetry: Pick<StoreTelemetry, 'evicted'>
  readonly describe: (rows: readonly ImageRow[]) => Promise<readonly Image[]>
}

/** The links of a repository that are to be removed. */
interface Unlinking {
  readonly repository: RepositoryName
  readonly digests: ReadonlySet<Digest>
}

/** Removes an object when no remaining image uses it and no remaining repository is linked to it. */
export function createPurge({ query, blobs, telemetry, describe }: PurgeOptions): ImageCatalogue['purge'] {
  return async (pattern, { dryRun }) => {
    const all = await imageRows(query)
    const matching = await describe(all.filter(pattern.matches))
    const images = matching.filter(({ isPinned }) => !isPinned)
    const pinned = matching.filter(({ isPinned }) => isPinned)
    const doomed = new Set(images.map(keyOf))
    const staying = all.filter((image) => !doomed.has(keyOf(image)))
    const unlinkings = await planUnlinking(pattern, images, staying)
    const content = await unused(images, staying, unlinkings)
    if (!dryRun) {
      await forget(images, unlinkings)
      await remove(content.keys())
    }
    const bytes = [...content.values()].reduce((sum, size) => sum + size, 0)
    return { images, pinned, objects: content.size, bytes }
  }

  async function planUnlinking(
    pattern: ImagePattern,
    images: readonly ImageRow[],
    staying: readonly ImageRow[],
  ): Promise<readonly Unlinking[]> {
    const stayingBy = Map.groupBy(staying, ({ repository }) => repositoryKey(repository))
    const doomedBy = Map.groupBy(images, ({ repository }) => repositoryKey(repository))
    const repositories = new Map(images.map(({ repository }) => [repositoryKey(repository), repository]))
    if (pattern.isWhole)
      for (const repository of await linkedRepositories(pattern))
        repositories.set(repositoryKey(repository), repository)
    const plan: Unlinking[] = []
    for (const [key, repository] of repositories) {
      const [others, own] = [stayingBy.get(key), doomedBy.get(key) ?? []]
      if (others === undefined) {
        plan.push({ repository, digests: await linksIn(repository) })
      } else {
        const digests = await contentOf(query, own)
        plan.push({ repository, digests: digests.difference(await contentOf(query, others)) })
      }
    }
    return plan
  }

  /** The content to remove, with its sizes. */
  async function unused(
    images: readonly ImageRow[],
    staying: readonly ImageRow[],
    unlinkings: readonly Unlinking[],
  ): Promise<ReadonlyMap<Digest, number>> {
    const candidates = await contentOf(query, images)
    for (const { digests } of unlinkings) for (const digest of digests) candidates.add(digest)
    for (const digest of await usedFromOutside(candidates, staying)) candidates.delete(digest)
    const unlinked = new Map(
      unlinkings.map(({ repository, digests }) => [repositoryKey(repository), digests]),
    )
    const pause = yieldEvery()
    const content = new Map<Digest, number>()
    for (const digest of candidates) {
      const size = await query((sql) => sql.findContent.get(digest)?.['size'])
      const links = await linksOf(digest)
      if (size !== undefined && links.every((link) => unlinked.get(repositoryKey(link))?.has(digest)))
        content.set(digest, Number(size))
      await pause()
    }
    return content
  }

  /** The candidates that remaining images consist of. */
  async function usedFromOutside(
    candidates: ReadonlySet<Digest>,
    staying: readonly ImageRow[],
  ): Promise<ReadonlySet<Digest>> {
    const pause = yieldEvery()
    const roots = new Set(staying.map(({ digest }) => digest))
    const used: { readonly digest: Digest }[] = []
    for (const digest of candidates) {
      const referrers = await query((sql) => sql.referrers.all(digest))
      const isUsed = roots.has(digest) || referrers.some(({ parent }) => !candidates.has(parent as Digest))
      if (isUsed) used.push({ digest })
      await pause()
    }
    return contentOf(query, used)
  }

  async function forget(images: readonly ImageRow[], unlinkings: readonly Unlinking[]): Promise<void> {
    const pause = yieldEvery()
    for (const { repository, tag } of images) {
      const { upstream, name } = repository
      if (tag !== undefined) await query((sql) => sql.forgetTag.run(upstream, name, tag))
      await pause()
    }
    for (const { repository, digests } of unlinkings) {
      const { upstream, name } = repository
      for (const digest of digests) {
        await query((sql) => sql.removeLink.run(upstream, name, digest))
        await pause()
      }
    }
  }

  async function remove(digests: Iterable<Digest>): Promise<void> {
    const pause = yieldEvery()
    for (const digest of digests) {
      // A client may have pulled it in the meantime.
      if ((await linksOf(digest)).length > 0) continue
      await blobs.delete(digest)
      telemetry.evicted('purge')
      await pause()
    }
  }

  async function linkedRepositories(pattern: ImagePattern): Promise<readonly RepositoryName[]> {
    const pause = yieldEvery()
    const found: RepositoryName[] = []
    for (let last = { upstream: '', name: '' }; ;) {
      const row = await query((sql) => sql.nextRepository.get(last.upstream, last.name))
      if (row === undefined) return found
      last = repositoryOf(row)
      if (pattern.matchesRepository(last)) found.push(last)
      await pause()
    }
  }

  async function linksIn({ upstream, name }: RepositoryName): Promise<ReadonlySet<Digest>> {
    const rows = await query((sql) => sql.linksIn.all(upstream, name))
    return new Set(rows.map(({ digest }) => digest as Digest))
  }

  async function linksOf(digest: Digest): Promise<readonly RepositoryName[]> {
    return (await query((sql) => sql.linksOf.all(digest))).map(repositoryOf)
  }
}

function repositoryOf({ upstream, repository }: Record<string, unknown>): RepositoryName {
  return { upstream: String(upstream), name: String(repository) }
}

function keyOf({ repository, tag = '', digest }: ImageRow): string {
  return `${repositoryKey(repository)} ${tag} ${digest}`
}

function repositoryKey({ upstream, name }: RepositoryName): string {
  return `${upstream} ${name}`
}
