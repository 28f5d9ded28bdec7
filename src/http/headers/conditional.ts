import type { Digest } from '../../oci/digest.ts'

/** The strong validator of content that is named by its digest. */
export function etagOf(digest: Digest): string {
  return `"${digest}"`
}

/** `If-None-Match` by weak comparison (RFC 9110 section 13.1.2). The digest without quotes too: distribution's proxy hands that out. */
export function isNotModified(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.split(',').some((part) => {
    const tag = part.trim().replace(/^W\//, '')
    return tag === '*' || tag === etagOf(digest) || tag === digest
  })
}

/** Whether `If-Range` lets the `Range` be honoured: absent, or equal by strong comparison (RFC 9110 section 13.1.5). */
export function isRangeWanted(ifRange: string | string[] | undefined, digest: Digest): boolean {
  return ifRange === undefined || String(ifRange).trim() === etagOf(digest)
}
