import type { ManifestReferences } from '../../oci/descriptor.ts'
import { isDigest } from '../../oci/digest.ts'
import { PackedLines } from '../../oci/packed-lines.ts'

interface Packed {
  readonly lines: number
  readonly bytes: Uint8Array<ArrayBuffer>
  /** See `PackedLines`. */
  readonly width: number | undefined
}

/** The references of a manifest on their way from one thread to another. */
export interface PackedReferences {
  readonly blobs: Packed
  readonly digests: Packed
}

export function packReferences({ blobs, digests }: ManifestReferences): PackedReferences {
  return {
    blobs: packed(Array.from(blobs, ({ digest, size }) => `${digest} ${size}\n`)),
    digests: packed(Array.from(digests, (digest) => `${digest}\n`).toSorted()),
  }
}

export function unpackReferences({ blobs, digests }: PackedReferences): ManifestReferences {
  return {
    blobs: unpacked(blobs, (line) => {
      const space = line.indexOf(' ')
      return { digest: checked(line.slice(0, space)), size: Number(line.slice(space + 1)) }
    }),
    digests: unpacked(digests, checked),
  }
}

function checked(text: string) {
  if (!isDigest(text)) throw new TypeError('no digest')
  return text
}

/** With memory of its own, which can be handed over. */
function packed(lines: readonly string[]): Packed {
  const text = lines.join('')
  const bytes = Buffer.allocUnsafeSlow(text.length)
  bytes.write(text, 'latin1')
  const width = lines[0]?.length
  const isEven = lines.every((line) => line.length === width)
  return { lines: lines.length, bytes, width: isEven ? width : undefined }
}

function unpacked<T>({ lines, bytes, width }: Packed, parse: (line: string) => T): PackedLines<T> {
  return new PackedLines(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), lines, parse, width)
}
