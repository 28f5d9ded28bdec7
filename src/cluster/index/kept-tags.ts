import { imagePattern } from '../../oci/image-pattern.ts'
import type { PinList } from '../../ports/operations.ts'
import type { Retention } from '../../ports/time.ts'
import type { UncheckedTag } from './trim-tags.ts'

export interface KeptTagsOptions {
  readonly pins: Pick<PinList, 'list'>
  readonly retained: readonly Retention[]
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * Whether a tag that nobody has checked for long is kept for all replicas: it is pinned, or a rule still retains
 * what it points to, or pointed to when it was removed. As of `storage/index/tags/remove-unused.ts`.
 */
export async function keptTags(options: KeptTagsOptions): Promise<(tag: UncheckedTag) => boolean> {
  const { pins, retained, now } = options
  const pinned = (await pins.list()).map(({ pattern }) => imagePattern(pattern))
  return ({ repository, tag, digest, isRemoved, checkedAt }) => {
    if (digest === undefined) return false
    const image = { repository, tag, digest }
    if (!isRemoved && pinned.some((pattern) => pattern.matches(image))) return true
    const rule = retained.find(({ match }) => match.matches(image))
    return rule !== undefined && checkedAt >= now - rule.keep
  }
}
