import { type PageText, readPageText } from './page-text.ts'
import type { ListTask, ReadingThread } from '../body/reading-thread.ts'

/** A page whose body comes piece by piece. Disposing it before its end gives its memory back. */
export interface PageReading extends Disposable {
  /** Takes the next bytes of the body. They are copied. */
  add(piece: Buffer): void
  /**
   * Reads the body, of which no more comes.
   *
   * @returns undefined when it is no tag list, or has too many
   */
  end(): Promise<PageText | undefined>
}

/** Bytes that are parsed and sorted within 10 ms or so. What is longer goes to another thread. */
export const AT_ONCE = 128 * 1024
/** Bytes that go there at a time. */
const BLOCK = 1024 * 1024

/**
 * Reads the body of a page. A long one is handed over to the thread while it comes: as a whole it would take
 * twice its size here, and V8 collects the whole heap after some of that.
 */
export function pageReading(thread: Pick<ReadingThread, 'begin'>): PageReading {
  const pieces: Buffer[] = []
  let length = 0
  let task: ListTask | undefined
  let block: Buffer | undefined
  let filled = 0

  function handOver(piece: Buffer): void {
    for (let from = 0; from < piece.length;) {
      block ??= Buffer.allocUnsafeSlow(BLOCK)
      const copied = piece.copy(block, filled, from)
      filled += copied
      from += copied
      if (filled === BLOCK) flush()
    }
  }

  function flush(): void {
    if (block !== undefined) task!.add(block.subarray(0, filled))
    block = undefined
    filled = 0
  }

  return {
    add(piece) {
      length += piece.length
      if (length <= AT_ONCE) return void pieces.push(piece)
      task ??= thread.begin()
      for (const early of pieces.splice(0)) handOver(early)
      handOver(piece)
    },
    async end() {
      if (task === undefined) return readPageText(Buffer.concat(pieces))
      flush()
      return task.page()
    },
    [Symbol.dispose]() {
      task?.leave()
    },
  }
}
