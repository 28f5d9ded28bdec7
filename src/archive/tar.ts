import { createTarDecoder, createTarPacker, type TarHeader } from 'modern-tar'

/** A file of an archive that is read. Its body must be read or left before the next one comes. */
export interface ReadEntry {
  readonly name: string
  /** Bytes, as the header states them. */
  readonly size: number
  readonly type: NonNullable<TarHeader['type']>
  readonly body: ReadableStream<Uint8Array>
}

/**
 * The entries of a tar, one after the other. Headers are checked, and the archive has to end as one does.
 *
 * @throws Error that says what is wrong with it
 */
export async function* readTar(bytes: ReadableStream<Uint8Array>): AsyncGenerator<ReadEntry> {
  const { readable, writable } = createTarDecoder({ strict: true })
  const feeding = bytes.pipeTo(writable)
  // The reader of the entries gets the same error.
  feeding.catch(() => {})
  for await (const { header, body } of readable) {
    const { name, size, type = 'file' } = header
    yield { name, size, type, body }
    // What was left unread is in the way of the next entry.
    if (size > 0) for await (const _ of body);
  }
  await feeding
}

/** A file of an archive that is written. */
export interface WrittenEntry {
  readonly name: string
  readonly size: number
  /** Exactly `size` bytes. */
  readonly bytes: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** Files get the same owner, mode and time everywhere: the same content makes the same archive. */
const FIXED = { mode: 0o644, uid: 0, gid: 0, mtime: new Date(0), type: 'file' } as const
const BLOCK = 512
/** An archive ends with two empty blocks. */
const END = 2 * BLOCK

/** Characters of a name in a plain header. A longer one, of a sha512 blob, has two more blocks (pax). */
const PLAIN_NAME = 100

/** Bytes of the archive of these files. */
export function tarSize(entries: readonly Pick<WrittenEntry, 'name' | 'size'>[]): number {
  const blocks = entries.map(({ name, size }) => headerBlocks(name) + Math.ceil(size / BLOCK))
  return blocks.reduce((sum, count) => sum + count * BLOCK, END)
}

function headerBlocks(name: string): number {
  return name.length > PLAIN_NAME ? 3 : 1
}

/** Writes a tar as fast as it is read. */
export function writeTar(entries: Iterable<WrittenEntry>): ReadableStream<Uint8Array> {
  const { readable, controller } = createTarPacker()
  void write().catch((error: unknown) => controller.error(error))
  return readable

  async function write(): Promise<void> {
    for (const { name, size, bytes } of entries) {
      const writer = controller.add({ ...FIXED, name, size }).getWriter()
      // A closed or failed stream is told by the write below.
      writer.closed.catch(() => {})
      for await (const piece of bytes()) {
        await writer.ready
        await writer.write(piece)
      }
      await writer.close()
    }
    controller.finalize()
  }
}
