import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { TagList } from '../../oci/tag-list.ts'
import type { TagPast, TagStretch } from '../../ports/metadata.ts'
import type { SeenAt } from '../../ports/time.ts'
import type { TagService } from '../../ports/repository.ts'
import type { CoolDown } from '../cool-down.ts'
import { instantText } from '../../util/instant.ts'

export interface AsOfOptions extends TagPast {
  readonly seenAt: SeenAt
  readonly servedThen: CoolDown['servedThen']
}

/**
 * The tags of a repository as clients got them at an instant: what they were seen to point to, without the
 * digests that a cool-down held back then. What was not seen does not exist.
 */
export function tagsAsOf(
  { past, seenAt, servedThen }: AsOfOptions,
  repository: RepositoryName,
  instant: number,
): TagService {
  return {
    async resolve(tag, options) {
      const stretches = await past(repository, tag)
      const unknown = whyUnknown(stretches, instant)
      if (unknown !== undefined) throw new RegistryError('MANIFEST_UNKNOWN', unknown)
      const digest = await servedThen(repository, tag, changesUntil(stretches, instant), instant)
      options?.report?.({ result: 'hit', detail: 'as-of' })
      return digest
    },
    async list(page) {
      const seen = await seenAt(instant, repository)
      if (seen.length === 0) return undefined
      const { text, next } = TagList.of(seen.map(({ tag }) => tag)).page(page.n, page.last)
      return { tags: text, ...(next !== undefined && { next: { ...page, last: next } }) }
    },
  }
}

/** Why nothing is known of a tag at an instant, for the client; undefined = it is known. */
export function whyUnknown(
  stretches: readonly TagStretch[],
  instant: number,
): { readonly reason: string; readonly firstSeen?: string } | undefined {
  const first = stretches.at(-1)
  if (first === undefined) return { reason: 'this cache has never seen the tag' }
  const firstSeen = instantText(first.from)
  if (instant < first.from) return { reason: `first seen ${firstSeen}`, firstSeen }
  const last = stretches.find(({ from }) => from <= instant)!
  if (last.until === undefined || instant < last.until) return undefined
  const next = stretches.findLast(({ from }) => from > instant)
  const again = next === undefined ? '' : `, seen again ${instantText(next.from)}`
  const end = instantText(last.until)
  const gone = last.end === 'deleted' ? `deleted upstream ${end}` : `nothing is known of it after ${end}`
  return { reason: `${gone}${again}`, firstSeen }
}

/** The changes that were known at an instant, newest first; a digest that was only away is no change. */
export function changesUntil(stretches: readonly TagStretch[], instant: number) {
  return stretches
    .filter(({ from }) => from <= instant)
    .filter(({ digest }, i, known) => digest !== known[i + 1]?.digest)
    .map(({ from, digest }): { readonly at: number; readonly digest: Digest } => ({ at: from, digest }))
}
