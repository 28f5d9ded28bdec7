/** Inclusive positions, as in `Content-Range: bytes start-end/size`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

const SINGLE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i

/**
 * Parses a `Range` header for a representation of `size` bytes (RFC 9110 section 14.2).
 *
 * Several ranges, other units and malformed values are ignored ('whole'), as the RFC allows: containers/image
 * accepts a full 200 for its multi-range but breaks on a single-part 206. A range of an empty blob is
 * 'whole', because containerd 2.1 sends `bytes=0-` for every blob. `a-b` with a > b is 'unsatisfiable', where
 * the RFC would ignore it: the OCI conformance suite requires that.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = header === undefined ? null : SINGLE.exec(header)
  if (match === null || size === 0) return 'whole'
  const [, first, last] = match as unknown as [string, string, string]
  if (first === '' && last === '') return 'whole'
  if (first === '') {
    const length = Number(last)
    return length === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start >= size || start > end ? 'unsatisfiable' : { start, end }
}
