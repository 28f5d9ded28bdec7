import type { Content } from '../../oci/descriptor.ts'
import type { TagEntry } from '../../ports/metadata.ts'

/**
 * The known facts about one digest. They are replaced, never changed: the size of an entry is counted when it
 * is set.
 */
export interface Facts {
  readonly content?: Content
  /** The repositories linked to it, by `repositoryKey`. */
  readonly repositories: ReadonlySet<string>
  /** What its upstream says the content is, by the `repositoryKey` of linked repositories. */
  readonly mediaTypes: ReadonlyMap<string, string>
  readonly hasReferences: boolean
}

export const NOTHING: Facts = { repositories: new Set(), mediaTypes: new Map(), hasReferences: false }

/** Repositories remembered for one digest. After that many, the set starts over. */
const MOST_REPOSITORIES = 500

/** Bytes that an entry takes besides its content and names. */
const OVERHEAD = 512

export function sizeOfFacts({ content, repositories, mediaTypes }: Facts): number {
  let size = OVERHEAD + (content?.bytes.length ?? 0)
  for (const name of repositories) size += name.length + 64
  for (const [name, type] of mediaTypes) size += name.length + type.length + 64
  return size
}

/** A tag, and when a use of it was last told to the store, in monotonic milliseconds. */
export interface KnownTag {
  readonly entry: TagEntry
  toldAt: number
}

export function sizeOfTag(_: KnownTag, key: string): number {
  return OVERHEAD + key.length
}

export function withRepository(facts: Facts, key: string): Facts {
  const others = facts.repositories.size < MOST_REPOSITORIES ? facts.repositories : []
  return { ...facts, repositories: new Set([...others, key]) }
}

export function withMediaType(facts: Facts, key: string, mediaType: string): Facts {
  const others = facts.mediaTypes.size < MOST_REPOSITORIES ? facts.mediaTypes : []
  return { ...facts, mediaTypes: new Map([...others, [key, mediaType]]) }
}
