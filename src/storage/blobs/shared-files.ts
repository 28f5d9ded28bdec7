import type { OpenFile } from '../files.ts'

interface Shared {
  readonly file: Promise<OpenFile | undefined>
  holders: number
}

/**
 * Files that are open for reading, each once however many read it: a thousand readers of a blob cost one
 * descriptor, and only the first of them a trip to the disk.
 */
export class SharedFiles {
  readonly #open = new Map<string, Shared>()

  /**
   * @param key the same for the same file, and for no other
   * @param open opens it, where nobody has it open. Everybody who waits gets what it gives, and its error
   * @returns a file of the caller's own, to be closed; undefined when `open` gave none
   */
  async open(key: string, open: () => Promise<OpenFile | undefined>): Promise<OpenFile | undefined> {
    let shared = this.#open.get(key)
    if (shared === undefined) this.#open.set(key, (shared = { file: open(), holders: 0 }))
    shared.holders += 1
    try {
      const file = await shared.file
      if (file !== undefined) return this.#hold(key, shared, file)
    } catch (error) {
      this.#forget(key, shared)
      throw error
    }
    this.#forget(key, shared)
    return undefined
  }

  #hold(key: string, shared: Shared, file: OpenFile): OpenFile {
    let closing: Promise<void> | undefined
    return {
      read: (buffer, position) => file.read(buffer, position),
      write: (bytes, position) => file.write(bytes, position),
      sync: () => file.sync(),
      size: () => file.size(),
      id: () => file.id(),
      close: () => (closing ??= this.#release(key, shared, file)),
    }
  }

  async #release(key: string, shared: Shared, file: OpenFile): Promise<void> {
    shared.holders -= 1
    if (shared.holders > 0) return
    this.#forget(key, shared)
    await file.close()
  }

  #forget(key: string, shared: Shared): void {
    if (this.#open.get(key) === shared) this.#open.delete(key)
  }
}
