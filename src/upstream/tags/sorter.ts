import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { TagList } from '../../oci/tag-list.ts'
import { type Mutex, mutex } from '../../util/async/mutex.ts'
import { type PageText, readPageText } from './page-text.ts'

export type SorterTask = { readonly body: Uint8Array } | { readonly texts: readonly Uint8Array[] }
export type SorterAnswer = { readonly text: Uint8Array; readonly next?: string } | undefined

/** Reads and sorts tag lists without holding the event loop. */
export interface TagSorter {
  /** Takes `body`, which nobody may use any more. @returns undefined when it is no tag list */
  read(body: Buffer): Promise<PageText | undefined>
  merge(lists: readonly TagList[]): Promise<TagList>
}

/** Bytes that are parsed and sorted within 10 ms or so. What is longer goes to another thread. */
const AT_ONCE = 128 * 1024

/**
 * One long list at a time, on a thread that ends with it: sorting the 12 MB of a large repository takes most
 * of a second (SEC-73), and is rare. A thread that fails fails the list, and nothing else.
 */
export function tagSorter(inTurn: Mutex = mutex()): TagSorter {
  return {
    async read(body) {
      if (body.length <= AT_ONCE) return readPageText(body)
      const answer = await inTurn(() => onThread({ body }))
      return answer && { ...answer, list: listOf(answer.text) }
    },
    async merge(lists) {
      const inOrder = TagList.concat(lists)
      if (inOrder !== undefined) return inOrder
      const size = lists.reduce((sum, { text }) => sum + text.length, 0)
      if (size <= AT_ONCE) return TagList.merge(lists)
      return listOf((await inTurn(() => onThread({ texts: lists.map(({ text }) => text) })))!.text)
    },
  }
}

function listOf(text: Uint8Array): TagList {
  return new TagList(Buffer.from(text.buffer, text.byteOffset, text.byteLength))
}

async function onThread(task: SorterTask): Promise<SorterAnswer> {
  const worker = new Worker(new URL(`./page-worker${extname(import.meta.url)}`, import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  worker.unref()
  try {
    // The body is the worker's from here on. Lists may be in use, and are copied.
    worker.postMessage(task, 'body' in task ? whole(task.body) : [])
    const [answer] = (await once(worker, 'message')) as [SorterAnswer]
    return answer
  } finally {
    void worker.terminate()
  }
}

/** The memory of `bytes`, to be handed over to another thread, unless it has a part of somebody else's. */
export function whole({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}
