import { type Digest, isDigest } from './digest.ts'
import { RegistryError } from './errors.ts'

/**
 * A repository of one upstream, as that upstream names it: `{ upstream: 'docker.io', name: 'library/alpine'
 * }`.
 */
export interface RepositoryName {
  readonly upstream: string
  readonly name: string
}

/** What follows `manifests/` in a path: a tag or a digest. */
export type Reference = { readonly tag: string } | { readonly digest: Digest }

// distribution-spec v1.1.1 spec.md "Pulling manifests"; 255 is the limit it advises for host and name
// together.
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const NAME_LIMIT = 255
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export function isRepositoryName(text: string): boolean {
  return text.length <= NAME_LIMIT && NAME.test(text)
}

export function isTag(text: string): boolean {
  return TAG.test(text)
}

/** @throws RegistryError DIGEST_INVALID for what has a colon and is no digest, TAG_INVALID for the rest. */
export function parseReference(text: string): Reference {
  if (isDigest(text)) return { digest: text }
  if (isTag(text)) return { tag: text }
  throw text.includes(':')
    ? new RegistryError('DIGEST_INVALID', { digest: text.slice(0, 200) })
    : new RegistryError('TAG_INVALID', { tag: text.slice(0, 200) })
}
