import type { DiskUsage } from '../../ports/metadata.ts'

/** Milliseconds for which the file system's word holds. Others may fill the disk too. */
const HOLDS = 250

/**
 * How much room the disk has. The file system is asked four times a second; in between, what this store
 * writes is subtracted.
 */
export class FreeSpace {
  readonly #ask: () => Promise<DiskUsage>
  readonly #now: () => number
  #answer: Promise<DiskUsage> | undefined
  #askedAt = 0
  #written = 0

  /** `now`: monotonic milliseconds. */
  constructor(ask: () => Promise<DiskUsage>, now = () => performance.now()) {
    this.#ask = ask
    this.#now = now
  }

  /** @throws the errors of the file system */
  async get(): Promise<DiskUsage> {
    if (this.#answer === undefined || this.#now() - this.#askedAt >= HOLDS) {
      this.#written = 0
      this.#askedAt = this.#now()
      this.#answer = this.#ask()
      this.#answer.catch(() => this.forget())
    }
    const space = await this.#answer
    return { ...space, freeBytes: Math.max(0, space.freeBytes - this.#written) }
  }

  /** `bytes` were written since. */
  wrote(bytes: number): void {
    this.#written += bytes
  }

  /** Something was removed, or the disk was full after all. */
  forget(): void {
    this.#answer = undefined
  }
}
