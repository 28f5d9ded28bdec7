import { type Digest, isDigest } from '../../oci/digest.ts'
import { parseJsonObject } from '../../util/json-object.ts'

/** Which bytes of an unfinished download have been written. Stored as JSON beside its file. */
export interface Checkpoint {
  readonly digest: Digest
  /**
   * The boot of the machine that wrote the bytes. Bytes that were not synced may be lost by the next boot.
   */
  readonly boot?: string
  /** The upstream that sent the bytes. */
  readonly origin?: string
  readonly filled: readonly (readonly [start: number, end: number])[]
}

/** @returns undefined when the text is not a checkpoint: truncated, or written by another program */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const { digest, filled, boot, origin } = parseJsonObject(text) ?? {}
  const isValid =
    typeof digest === 'string' && isDigest(digest) && Array.isArray(filled) && filled.every(isInterval)
  if (!isValid) return undefined
  return {
    digest,
    filled,
    ...(typeof boot === 'string' && { boot }),
    ...(typeof origin === 'string' && { origin }),
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
