import { randomInt } from 'node:crypto'
import { type BlobReader, isInMemory, type OpenedBlob } from '../ports/blob-store.ts'
import type { BlobBody } from '../ports/upstream.ts'
import type { Interval } from '../util/interval-set.ts'

/** Opens a range of a blob upstream; undefined = it does not exist there. */
export type RangeSource = (range: Interval) => Promise<BlobBody | undefined>

/**
 * Ranges, and bytes of each. Who has a share of the blob only gets through with that share to the power of
 * the ranges.
 */
const SAMPLES = 8
const SAMPLE = 4 * 1024

/**
 * Whether upstream has the bytes of a stored blob: random ranges of what it would send are compared with it.
 * Only who has the bytes can send them, so this proves as much as a download, which it spares: after the
 * index was lost nobody knows any more which upstream sent what.
 *
 * @returns undefined when upstream does not know the blob; false when it sends something else, or no ranges
 */
export async function proveByBytes(stored: OpenedBlob, source: RangeSource): Promise<boolean | undefined> {
  // Of nothing there is no range.
  if (stored.descriptor.size === 0) return false
  for (const range of samplesOf(stored.descriptor.size)) {
    const body = await source(range)
    if (body === undefined) return undefined
    if (!(await isSame(body, range, stored))) return false
  }
  return true
}

function samplesOf(size: number): readonly Interval[] {
  if (size <= SAMPLES * SAMPLE) return [{ start: 0, end: size }]
  return Array.from({ length: SAMPLES }, () => {
    const start = randomInt(size - SAMPLE)
    return { start, end: start + SAMPLE }
  })
}

async function isSame(body: BlobBody, { start, end }: Interval, stored: OpenedBlob): Promise<boolean> {
  const { size } = stored.descriptor
  let position = start
  const isUsable = body.start === start && (body.total ?? size) === size
  // Leaving the loop closes the body, read or not.
  for await (const chunk of body) {
    if (!isUsable || position + chunk.length > end) return false
    if (!chunk.equals(await bytesAt(stored, position, chunk.length))) return false
    position += chunk.length
  }
  return isUsable && position === end
}

async function bytesAt(stored: OpenedBlob, position: number, length: number): Promise<Buffer> {
  return isInMemory(stored)
    ? stored.bytes.subarray(position, position + length)
    : readAt(stored, position, length)
}

async function readAt(reader: BlobReader, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const count = await reader.read(buffer.subarray(filled), position + filled)
    if (count === 0) break
    filled += count
  }
  return buffer.subarray(0, filled)
}
