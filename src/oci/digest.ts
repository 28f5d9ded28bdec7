import { createHash, type Hash } from 'node:crypto'
import { RegistryError } from './errors.ts'

declare const brand: unique symbol

/**
 * `sha256:<64 hex>` or `sha512:<128 hex>`, lower case. Only `parseDigest` and `digestOf` make one, so holding
 * a Digest means it was checked.
 */
export type Digest = string & { readonly [brand]: true }

export type Algorithm = 'sha256' | 'sha512'
export const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512']

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/**
 * @throws RegistryError DIGEST_INVALID: malformed, or an algorithm other than the two the image spec
 * registers.
 */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new RegistryError('DIGEST_INVALID', { digest: text.slice(0, 200) })
  return text
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

export function hexOf(digest: Digest): string {
  return digest.slice(algorithmOf(digest).length + 1)
}

/** The digest of `bytes`; with `like`, under the algorithm of that digest so that the two can be compared. */
export function digestOf(bytes: Uint8Array, like?: Digest): Digest {
  return digestFrom(hasherFor(like).update(bytes), like)
}

/** A running hash of the algorithm that `digest` names. */
export function hasherFor(digest?: Digest): Hash {
  return createHash(digest === undefined ? 'sha256' : algorithmOf(digest))
}

/** Finishes `hash`, which `hasherFor(like)` made. */
export function digestFrom(hash: Hash, like?: Digest): Digest {
  return parseDigest(`${like === undefined ? 'sha256' : algorithmOf(like)}:${hash.digest('hex')}`)
}
