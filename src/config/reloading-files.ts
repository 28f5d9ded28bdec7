import { readFile } from 'node:fs/promises'
import type { LoadedFile } from './files.ts'

export interface FollowOptions {
  readonly files: readonly LoadedFile[]
  /** Given what stands in the files now, in their order. What it throws is told, and comes up again only when they have changed again. */
  readonly changed: (texts: readonly string[]) => void
  readonly failed: (error: unknown) => void
  /** Milliseconds. */
  readonly every?: number
}

/**
 * Reads files again and again, and says when they have changed. By reading, because a watch sees neither what happens on
 * network file systems nor the link that Kubernetes puts in the place of another. They are a few kilobytes.
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

/** A file that cannot be read is told of once, not every time. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
