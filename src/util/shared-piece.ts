/** Bytes after the content, which count the threads' uses. */
export const COUNTER = Int32Array.BYTES_PER_ELEMENT

/** Memory of `size` bytes, a multiple of four, that another thread may read. */
export function sharedPiece(size: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(size + COUNTER), 0, size)
}

/**
 * How many uses by other threads have begun and not ended, as one number that they count down when they are
 * done; undefined for memory that `sharedPiece` did not make.
 */
export function usesOf({ buffer }: Uint8Array): Int32Array<SharedArrayBuffer> | undefined {
  if (!(buffer instanceof SharedArrayBuffer)) return undefined
  return new Int32Array(buffer, buffer.byteLength - COUNTER, 1)
}
