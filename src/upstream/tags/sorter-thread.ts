import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { TagList } from '../../oci/tag-list.ts'
import type { PageText } from './page-text.ts'

/** What the thread is told. Tasks end with a question, `isLeft` without one. */
export type SorterMessage = { readonly id: number } & (
  | { readonly block: Uint8Array }
  | { readonly list: Uint8Array }
  | { readonly asks: 'page' | 'merged' }
  | { readonly isLeft: true }
)

export interface SorterAnswer {
  readonly id: number
  /** undefined: it is no tag list. */
  readonly text?: Uint8Array | undefined
  readonly next?: string | undefined
}

/** Work on one long list. */
export interface SorterTask {
  /** Hands over some bytes of the body of a page. The caller loses them. */
  add(block: Uint8Array): void
  /** Reads the page. @returns undefined when it is no tag list */
  page(): Promise<PageText | undefined>
  merge(lists: readonly TagList[]): Promise<TagList>
  /** Drops what was added. */
  leave(): void
}

/** Reads and sorts long tag lists, one at a time, at a low priority. */
export interface SorterThread {
  begin(): SorterTask
}

/** Milliseconds. A thread that has nothing to do costs memory. */
const IDLE = 5_000
/** A million tags take half of it. */
const HEAP_MEGABYTES = 256

/** The thread starts with the first task. One that fails fails the tasks that it had, and nothing else. */
export function sorterThread(): SorterThread {
  let worker: Worker | undefined
  let last = 0
  let idle: NodeJS.Timeout | undefined
  const open = new Map<number, PromiseWithResolvers<SorterAnswer>>()

  function start(): Worker {
    const started = new Worker(new URL(`./page-worker${extname(import.meta.url)}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
    })
    started.unref()
    started.on('message', (answer: SorterAnswer) => {
      open.get(answer.id)?.resolve(answer)
      close(answer.id)
    })
    started.on('error', (error) => failAll(started, error))
    started.on('exit', () => failAll(started, new Error('the thread that sorts tag lists has ended')))
    return started
  }

  function failAll(of: Worker, reason: Error): void {
    if (worker !== of) return
    worker = undefined
    for (const { reject } of open.values()) reject(reason)
    open.clear()
  }

  function close(id: number): void {
    if (!open.delete(id) || open.size > 0) return
    idle = setTimeout(() => {
      const ending = worker
      worker = undefined
      void ending?.terminate()
    }, IDLE).unref()
  }

  return {
    begin() {
      clearTimeout(idle)
      worker ??= start()
      const own = worker
      last += 1
      const id = last
      const answer = Promise.withResolvers<SorterAnswer>()
      // It may fail before anybody asks.
      answer.promise.catch(() => {})
      open.set(id, answer)
      const tell = (message: SorterMessage, transfer: ArrayBuffer[] = []) =>
        own.postMessage(message, transfer)
      const ask = (asks: 'page' | 'merged'): Promise<SorterAnswer> => {
        tell({ id, asks })
        return answer.promise
      }
      return {
        add: (block) => tell({ id, block }, whole(block)),
        async page() {
          const { text, next } = await ask('page')
          return text && { list: listOf(text), ...(next !== undefined && { next }) }
        },
        async merge(lists) {
          // They may be in use, and are copied.
          for (const { text } of lists) tell({ id, list: text })
          return listOf((await ask('merged')).text!)
        },
        leave() {
          if (open.has(id)) tell({ id, isLeft: true })
          close(id)
        },
      }
    },
  }
}

function listOf({ buffer, byteOffset, byteLength }: Uint8Array): TagList {
  return new TagList(Buffer.from(buffer, byteOffset, byteLength))
}

/** The memory of `bytes`, to be handed over to another thread, unless somebody else has a part of it. */
export function whole({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}
