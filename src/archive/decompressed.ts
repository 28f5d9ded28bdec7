import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'

const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
const GZIP = Buffer.from([0x1f, 0x8b])
/** Bytes that tell how a file is compressed. */
const MAGIC = 4

/** The bytes of a tar, which may be compressed by zstd or gzip: its first bytes tell. */
export async function decompressed(bytes: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const reader = bytes.getReader()
  const head: Uint8Array[] = []
  let length = 0
  while (length < MAGIC) {
    const { done, value } = await reader.read()
    if (done) break
    head.push(value)
    length += value.length
  }
  const first = Buffer.concat(head)
  const whole = new ReadableStream<Uint8Array>({
    start: (controller) => void (first.length > 0 && controller.enqueue(first)),
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  const isZstd = first.subarray(0, MAGIC).equals(ZSTD)
  if (!isZstd && !first.subarray(0, GZIP.length).equals(GZIP)) return whole
  const decompress = isZstd ? createZstdDecompress() : createGunzip()
  // Its error is that of the stream that is read.
  whole.pipeTo(writableOf(decompress)).catch(() => {})
  return Readable.toWeb(decompress) as ReadableStream<Uint8Array>
}

function writableOf(
  into: NodeJS.WritableStream & { destroy(error?: Error): unknown },
): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: (chunk) =>
      new Promise<void>((resolve, reject) => {
        into.once('error', reject)
        into.write(chunk, (error) => {
          into.removeListener('error', reject)
          if (error) reject(error)
          else resolve()
        })
      }),
    close: () => void into.end(),
    abort: (reason: unknown) =>
      void into.destroy(reason instanceof Error ? reason : new Error(String(reason))),
  })
}
