import { digestOf, type Digest } from '../../src/oci/digest.ts'
import { blobOf } from '../../test/support/fixtures.ts'
import { seededRandom } from '../../test/support/seeded-random.ts'

const KiB = 1024
const HEADER = 16

export interface ManyBlobs {
  readonly digests: readonly Digest[]
  readonly sizes: readonly number[]
  /** The bytes of one of them, in pieces. */
  piecesOf(number: number): readonly [Buffer, Buffer]
}

/** Blobs of this many bytes in all, as images have them: a few hundred bytes to 8 MiB, most of the bytes in the large ones. The same for the same size. */
export function manyBlobs(total: number): ManyBlobs {
  const random = seededRandom(1)
  const common = blobOf(8 * 1024 * KiB).bytes
  const sizes: number[] = []
  for (let left = total; left > 0; left -= sizes.at(-1)!) {
    // Evenly spread over the powers of two, the smaller ones more often.
    sizes.push(Math.floor(512 * 2 ** (14 * random.next() ** 0.7)))
  }
  const piecesOf = (number: number): [Buffer, Buffer] => {
    const header = Buffer.alloc(HEADER)
    header.writeUInt32LE(number)
    return [header, common.subarray(0, sizes[number]! - HEADER)]
  }
  const digests = sizes.map((_, number) => digestOf(Buffer.concat(piecesOf(number))))
  return { digests, sizes, piecesOf }
}
