import { type Digest, isDigest } from '../../oci/digest.ts'

/** Which bytes of an unfinished file are there, as it is written beside it. */
export interface Note {
  readonly digest: Digest
  /** Since which start of the machine they are there: what was not synced may be gone after the next. */
  readonly boot?: string
  /** Whose bytes they are. */
  readonly origin?: string
  readonly filled: readonly (readonly [start: number, end: number])[]
}

/** undefined when the text is no note: cut off, or of another program. */
export function parseNote(text: string): Note | undefined {
  const { digest, filled, boot, origin } = parseObject(text)
  const isNote =
    typeof digest === 'string' && isDigest(digest) && Array.isArray(filled) && filled.every(isInterval)
  if (!isNote) return undefined
  return {
    digest,
    filled,
    ...(typeof boot === 'string' && { boot }),
    ...(typeof origin === 'string' && { origin }),
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function isInterval(item: unknown): item is readonly [number, number] {
  return (
    Array.isArray(item) &&
    item.length === 2 &&
    item.every((position) => Number.isSafeInteger(position) && position >= 0) &&
    item[0] <= item[1]
  )
}
