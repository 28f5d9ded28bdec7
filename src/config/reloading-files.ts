import { readFile } from 'node:fs/promises'
import type { LoadedFile } from './files.ts'

export interface FollowOptions {
  readonly files: readonly LoadedFile[]
  /**
   * Called with the new texts, in the order of the files. What it throws goes to `failed`; it is called again
   * after the next change.
   */
  readonly changed: (texts: readonly string[]) => void
  readonly failed: (error: unknown) => void
  /** Milliseconds. */
  readonly every?: number
}

/**
 * Reads files at an interval, and reports changes. A watch would see neither changes on network file systems
 * nor the link that Kubernetes replaces. The files have a few kilobytes.
 */
export function followFiles({ files, changed, failed, every = 2_000 }: FollowOptions): Disposable {
  let known = files.map(({ text }) => text)
  let isFailing = false
  let isLooking = false

  async function look(): Promise<void> {
    const texts = await Promise.all(files.map(({ path }) => readFile(path, 'utf8')))
    isFailing = false
    if (texts.every((text, i) => text === known[i])) return
    known = texts
    changed(texts)
  }

  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    look()
      .catch((error: unknown) => {
        const isNews = !isFailing || !isSystemError(error)
        isFailing = isSystemError(error)
        if (isNews) failed(error)
      })
      .finally(() => (isLooking = false))
  }, every).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** A file that cannot be read is reported once, not at every interval. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
