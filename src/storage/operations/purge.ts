import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { BlobStore } from '../../ports/blob-store.ts'
import type { Image, Purged, PurgeScope } from '../../ports/operations.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'
import type { IndexAccess } from '../index/index-access.ts'
import type { PurgeStep } from './purge-plan.ts'

export interface PurgeOptions extends Pick<IndexAccess, 'query' | 'changeAll'> {
  readonly blobs: Pick<BlobStore, 'delete'>
  readonly telemetry: Pick<StoreTelemetry, 'evicted'>
  /** Content was removed. What else has it is to remove it too. */
  readonly purged?: ((digests: readonly Digest[]) => Promise<void>) | undefined
  /** Tags and links were removed. What else has them is to remove them too. */
  readonly forgotten?: ((forgotten: Forgotten) => Promise<void>) | undefined
}

export interface Forgotten {
  readonly tags: readonly { readonly repository: RepositoryName; readonly tag: string }[]
  readonly links: readonly { readonly repository: RepositoryName; readonly digest: Digest }[]
}

type Hooks = Pick<PurgeOptions, 'purged' | 'forgotten'>

/** Objects removed between two turns of the event loop at most. */
const REMOVED_AT_ONCE = 32

/** Takes the steps of `purge-plan.ts`, page by page. With `dryRun`, only adds them up. */
export type Purge = (pages: AsyncIterable<readonly PurgeStep[]>, scope: PurgeScope) => Promise<Purged>

/** Removes an object when no remaining image uses it and no remaining repository is linked to it. */
export function createPurge({ query, changeAll, blobs, telemetry, ...hooks }: PurgeOptions): Purge {
  return async (pages, { dryRun, isOnlyHere = false }) => {
    const { purged, forgotten }: Hooks = isOnlyHere ? {} : hooks
    const images: Image[] = []
    const pinned: Image[] = []
    let objects = 0
    let bytes = 0
    for await (const page of pages) {
      for (const step of page) {
        if ('image' in step) images.push(step.image)
        else if ('pinned' in step) pinned.push(step.pinned)
        else if ('content' in step) {
          objects += 1
          bytes += step.size
        }
      }
      if (dryRun) continue
      await take(page)
      await forgotten?.(forgottenBy(page))
      await remove(contentOf(page), purged)
    }
    return { images, pinned, objects, bytes }
  }

  async function take(steps: readonly PurgeStep[]): Promise<void> {
    await changeAll(steps, (sql, step) => {
      if ('image' in step) {
        const { repository, tag } = step.image
        if (tag === undefined) return
        sql.forgetTag.run(repository.upstream, repository.name, tag)
        sql.forgetEndpointOwner.run(repository.upstream, repository.name, tag)
      } else if ('repository' in step) {
        const { repository, digest } = step
        sql.removeLink.run(repository.upstream, repository.name, digest)
        sql.purgeV1.run(repository.upstream, repository.name, digest)
      }
    })
  }

  async function remove(digests: readonly Digest[], purged: Hooks['purged']): Promise<void> {
    for (let at = 0; at < digests.length; at += REMOVED_AT_ONCE) {
      const some = digests.slice(at, at + REMOVED_AT_ONCE)
      // A client may have pulled some of it in the meantime.
      const unlinked = await query((sql) => some.filter((digest) => sql.hasLinks.get(digest) === undefined))
      await blobs.delete(...unlinked)
      await purged?.(unlinked)
      for (const _ of unlinked) telemetry.evicted('purge')
    }
  }
}

function forgottenBy(steps: readonly PurgeStep[]): Forgotten {
  return {
    tags: steps.flatMap((step) =>
      'image' in step && step.image.tag !== undefined
        ? [{ repository: step.image.repository, tag: step.image.tag }]
        : [],
    ),
    links: steps.flatMap((step) => ('repository' in step ? [step] : [])),
  }
}

function contentOf(steps: readonly PurgeStep[]): readonly Digest[] {
  return steps.flatMap((step) => ('content' in step ? [step.content] : []))
}
