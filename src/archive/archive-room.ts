import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { sizeText } from '../util/human.ts'
import type { CheckedManifest } from './check-image.ts'
import * as layout from './layout.ts'

/**
 * The limit that so many bytes exceed even if all else were evicted, `upstream`: of its share too; undefined =
 * they could fit.
 */
export type LimitFor = (
  size: number,
  upstream?: string,
) => Promise<'maxSize' | 'minFree' | 'disk' | 'inodes' | 'share' | undefined>

/** What is known of an archive so far. */
export interface ArchiveSize {
  readonly bytes: number
  /** There may be more. */
  readonly isLeast?: boolean
  /** Of which upstream it is. */
  readonly upstream?: string | undefined
}

/**
 * Asks before anything is evicted for it.
 *
 * @throws Error that says which limit the archive exceeds
 */
export async function mustFit(
  limitFor: LimitFor | undefined,
  { bytes, isLeast = false, upstream }: ArchiveSize,
): Promise<void> {
  const limit = await limitFor?.(bytes, upstream)
  if (limit === undefined) return
  const what = limit === 'share' ? `${upstream} takes` : 'it takes'
  const most = {
    maxSize: 'storage.maxSize allows',
    minFree: 'its disk can hold above storage.minFree',
    disk: 'its disk can hold',
    inodes: 'its disk can hold',
    share: `upstreams.${upstream}.maxSize allows`,
  }[limit]
  throw new Error(
    `the store has no room for all of the archive: ${what} ${sizeText(bytes)}${isLeast ? ' or more' : ''}, more than ${most}`,
  )
}

/** As `mustFit`, and what each upstream gets in its share. `only`: all is of this upstream. */
export async function allMustFit(
  limitFor: LimitFor | undefined,
  { total, byUpstream }: SizeSums,
  only?: string,
): Promise<void> {
  await mustFit(limitFor, { bytes: total, upstream: only })
  if (only !== undefined) return
  for (const [upstream, bytes] of byUpstream) await mustFit(limitFor, { bytes, upstream })
}

/** Bytes of blobs, together and by upstream. What two upstreams have counts in both, and once together. */
export class BlobSizes {
  readonly #all = new Map<Digest, number>()
  readonly #byUpstream = new Map<string, Map<Digest, number>>()

  add(upstream: string, digest: Digest, size: number): void {
    this.#all.set(digest, size)
    const own = this.#byUpstream.get(upstream) ?? new Map<Digest, number>()
    this.#byUpstream.set(upstream, own.set(digest, size))
  }

  get sums(): SizeSums {
    return {
      total: sumOf(this.#all),
      byUpstream: new Map(this.#byUpstream.entries().map(([name, own]) => [name, sumOf(own)])),
    }
  }
}

/** What of the blobs of an archive each upstream gets. */
export function sizesOf(
  images: readonly { readonly repository: RepositoryName; readonly manifests: readonly CheckedManifest[] }[],
  blobs: ReadonlyMap<Digest, number>,
): SizeSums {
  const sizes = new BlobSizes()
  for (const { repository, manifests } of images)
    for (const { digest, blobs: parts } of manifests)
      for (const part of [digest, ...parts]) sizes.add(repository.upstream, part, blobs.get(part) ?? 0)
  return sizes.sums
}

export interface SizeSums {
  readonly total: number
  readonly byUpstream: ReadonlyMap<string, number>
}

/** `1200 docker.io=1000 ghcr.io=300`: what an archive of ours says of itself. */
export function sizesText({ total, byUpstream }: SizeSums): string {
  return [total, ...byUpstream.entries().map(([upstream, bytes]) => `${upstream}=${bytes}`)].join(' ')
}

/** @returns undefined for an archive that does not say it */
export function sizesIn(annotations: layout.Annotations): SizeSums | undefined {
  const [total = '', ...rest] = (annotations[layout.BYTES] ?? '').split(' ')
  const byUpstream = rest.map((text) => /^(.+)=(\d+)$/.exec(text))
  if (!/^\d+$/.test(total) || byUpstream.includes(null)) return undefined
  return {
    total: Number(total),
    byUpstream: new Map(byUpstream.map((match) => [match![1]!, Number(match![2])])),
  }
}

function sumOf(sizes: ReadonlyMap<Digest, number>): number {
  return sizes.values().reduce((sum, size) => sum + size, 0)
}
