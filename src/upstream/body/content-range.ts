/**
 * Parses `Content-Range: bytes a-b/total`. `total` is undefined for `*`. Returns undefined for all other
 * text.
 */
export function parseContentRange(
  header: string | undefined,
): { start: number; end: number; total?: number } | undefined {
  const match = header === undefined ? null : /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(header)
  if (match === null) return undefined
  const [, start, end, total] = match as unknown as [string, string, string, string]
  return { start: Number(start), end: Number(end), ...(total !== '*' && { total: Number(total) }) }
}
