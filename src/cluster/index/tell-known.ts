import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { TagEntry, TagPast, TagStretch } from '../../ports/metadata.ts'
import type { SharedLinks } from './shared-links.ts'
import type { SharedTags } from './shared-tags.ts'

/** What a store knows of the registry, from one end to the other. */
export interface Known extends TagPast {
  links(): AsyncIterable<{
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly mediaType: string | undefined
  }>
  tags(): AsyncIterable<{
    readonly repository: RepositoryName
    readonly tag: string
    readonly entry: TagEntry
  }>
}

export interface ToBeTold {
  readonly links: Pick<SharedLinks, 'add'>
  readonly tags: Pick<SharedTags, 'set'>
}

/**
 * Tells the index of a cluster every link and tag of a store. What the index knows better stays as it is.
 *
 * @param pause waits between two tags: each wakes all replicas
 * @returns how many links and tags
 * @throws RegistryError STORAGE; the reason of `signal` when it aborts
 */
export async function tellKnown(
  known: Known,
  { links, tags }: ToBeTold,
  { pause, signal }: { readonly pause?: () => Promise<void>; readonly signal?: AbortSignal } = {},
): Promise<number> {
  let told = 0
  for await (const { repository, digest, mediaType } of known.links()) {
    signal?.throwIfAborted()
    await links.add(repository, digest, mediaType)
    told += 1
  }
  for await (const { repository, tag, entry } of known.tags()) {
    signal?.throwIfAborted()
    // The oldest first: what is earlier than what the index knows changes nothing.
    for (const sight of (await known.past(repository, tag)).toReversed()) {
      for (const seen of entriesOf(sight)) await tags.set(repository, tag, seen)
    }
    await tags.set(repository, tag, entry)
    told += 1
    await pause?.()
  }
  return told
}

function entriesOf({ digest, from, until, end }: TagStretch): readonly TagEntry[] {
  const seen = { digest, checkedAt: from }
  return end === 'deleted' && until !== undefined
    ? [seen, { digest, checkedAt: until, goneAt: until }]
    : [seen]
}
