import type { Digest } from '../../oci/digest.ts'

/** The strong validator of content-addressed content. */
export function etagOf(digest: Digest): string {
  return `"${digest}"`
}

/**
 * Evaluates `If-None-Match` by weak comparison (RFC 9110 section 13.1.2). Accepts the digest without quotes
 * too, which distribution's proxy sends as ETag.
 */
export function isNotModified(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.split(',').some((part) => {
    const tag = part.trim().replace(/^W\//, '')
    return tag === '*' || tag === etagOf(digest) || tag === digest
  })
}

/**
 * Reports whether `If-Range` permits the range: absent, or equal by strong comparison (RFC 9110 section
 * 13.1.5).
 */
export function isRangeWanted(ifRange: string | string[] | undefined, digest: Digest): boolean {
  return ifRange === undefined || String(ifRange).trim() === etagOf(digest)
}
