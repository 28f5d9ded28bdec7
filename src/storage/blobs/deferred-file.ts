import type { OpenFile } from '../files.ts'

/** Bytes of one object that are held in memory. Most manifests, configs and small layers are shorter. */
const MOST = 256 * 1024
const STEP = 32 * 1024
/** Bytes of memory for all of them together. */
const ROOM = 32 * 1024 * 1024

/** The memory that objects on their way in share. */
export class MemoryRoom {
  #free = ROOM

  /** @returns whether there was room for so many bytes */
  take(bytes: number): boolean {
    if (bytes > this.#free) return false
    this.#free -= bytes
    return true
  }

  give(bytes: number): void {
    this.#free += bytes
  }
}

/**
 * A new file that is created when its content outgrows memory, or has to reach the disk. Until then it is
 * held in memory, from where it can be read till the file is closed. One call at a time, `read` excepted.
 */
export class DeferredFile implements OpenFile {
  readonly #create: () => Promise<OpenFile>
  readonly #room: MemoryRoom
  #memory: Buffer | undefined
  /** Bytes written to `#memory`. */
  #length = 0
  #file: OpenFile | undefined
  /** The file has what the memory has. */
  #isWritten = false

  /** `create` makes an empty file. Called again when it failed. */
  constructor(create: () => Promise<OpenFile>, room: MemoryRoom) {
    this.#create = create
    this.#room = room
  }

  get isCreated(): boolean {
    return this.#file !== undefined
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    if (this.#memory === undefined) return (await this.#file?.read(buffer, position)) ?? 0
    return this.#memory.copy(buffer, 0, Math.min(position, this.#length), this.#length)
  }

  async write(bytes: Uint8Array, position: number): Promise<number> {
    if (!this.isCreated && this.#hold(bytes, position)) return bytes.length
    const file = await this.written()
    this.#release()
    return file.write(bytes, position)
  }

  async sync(): Promise<void> {
    await (await this.written()).sync()
  }

  async size(): Promise<number> {
    return this.#memory === undefined ? ((await this.#file?.size()) ?? 0) : this.#length
  }

  async id(): Promise<string> {
    return (await this.written()).id()
  }

  async close(): Promise<void> {
    this.#release()
    await this.#file?.close()
  }

  /** The file, with all that was written so far. */
  async written(): Promise<OpenFile> {
    this.#file ??= await this.#create()
    if (this.#memory !== undefined && !this.#isWritten) {
      await writeAll(this.#file, this.#memory.subarray(0, this.#length), 0)
    }
    this.#isWritten = true
    return this.#file
  }

  /** @returns false when the bytes do not belong in memory */
  #hold(bytes: Uint8Array, position: number): boolean {
    const end = position + bytes.length
    if (end > MOST || !this.#grow(end)) return false
    this.#memory!.set(bytes, position)
    this.#length = Math.max(this.#length, end)
    return true
  }

  #grow(needed: number): boolean {
    const held = this.#memory?.length ?? 0
    if (needed <= held) return true
    // In steps: the first chunk is often all but a few bytes of a small object.
    const wanted = Math.min(MOST, Math.max(Math.ceil(needed / STEP) * STEP, 2 * held))
    if (!this.#room.take(wanted - held)) return false
    const memory = Buffer.alloc(wanted)
    this.#memory?.copy(memory, 0, 0, this.#length)
    this.#memory = memory
    return true
  }

  #release(): void {
    this.#room.give(this.#memory?.length ?? 0)
    this.#memory = undefined
  }
}

export async function writeAll(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done), position + done)
}
