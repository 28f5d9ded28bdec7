import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Manifest } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { TagList } from '../../oci/tag-list.ts'
import type { PageText } from '../tags/page-text.ts'
import { type PackedReferences, unpackReferences } from './packed-references.ts'

/** What the thread is told. Tasks end with a question, `isLeft` without one. */
export type ReadingMessage = { readonly id: number } & (
  | { readonly block: Uint8Array }
  | { readonly list: Uint8Array }
  | { readonly asks: 'page' | 'merged' }
  | { readonly isLeft: true }
  | ManifestQuestion
)

interface ManifestQuestion {
  readonly manifest: Uint8Array
  readonly contentType: string | undefined
  readonly expected: Digest | undefined
}

export interface ReadingAnswer {
  readonly id: number
  /** undefined: it is no tag list. */
  readonly text?: Uint8Array | undefined
  readonly next?: string | undefined
  readonly manifest?: PackedManifest | { readonly problem: string }
}

/** The body comes back. */
export interface PackedManifest extends Pick<Manifest, 'descriptor'> {
  readonly body: Uint8Array
  readonly references: PackedReferences
}

/** Work on one long list. */
export interface ListTask {
  /** Hands over some bytes of the body of a page. The caller loses them. */
  add(block: Uint8Array): void
  /** Reads the page. @returns undefined when it is no tag list */
  page(): Promise<PageText | undefined>
  merge(lists: readonly TagList[]): Promise<TagList>
  /** Drops what was added. */
  leave(): void
}

/**
 * Reads long answers, one at a time, at a low priority: tag lists, which it sorts, and manifests, which go
 * before lists.
 */
export interface ReadingThread {
  begin(): ListTask
  /** As `manifestOf` does. The caller loses `body`, and gets it back with the manifest. */
  manifest(
    body: Buffer,
    contentType: string | undefined,
    expected: Digest | undefined,
  ): Promise<Manifest | { readonly problem: string }>
}

/** Milliseconds. A thread that has nothing to do costs memory. */
const IDLE = 5_000
/** A million tags take half of it. */
const HEAP_MEGABYTES = 256

/** The thread starts with the first task. One that fails fails the tasks that it had, and nothing else. */
export function readingThread(): ReadingThread {
  let worker: Worker | undefined
  let last = 0
  let idle: NodeJS.Timeout | undefined
  const open = new Map<number, PromiseWithResolvers<ReadingAnswer>>()

  function start(): Worker {
    const started = new Worker(new URL(`./reading-worker${extname(import.meta.url)}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
    })
    started.unref()
    started.on('message', (answer: ReadingAnswer) => {
      open.get(answer.id)?.resolve(answer)
      close(answer.id)
    })
    started.on('error', (error) => failAll(started, error))
    started.on('exit', () => failAll(started, new Error('the thread that reads long answers has ended')))
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

  function beginTask() {
    clearTimeout(idle)
    worker ??= start()
    const own = worker
    last += 1
    const answer = Promise.withResolvers<ReadingAnswer>()
    // It may fail before anybody asks.
    answer.promise.catch(() => {})
    open.set(last, answer)
    return {
      id: last,
      answer: answer.promise,
      tell: (message: ReadingMessage, transfer: ArrayBuffer[] = []) => own.postMessage(message, transfer),
    }
  }

  return {
    begin() {
      const { id, answer, tell } = beginTask()
      const ask = (asks: 'page' | 'merged'): Promise<ReadingAnswer> => {
        tell({ id, asks })
        return answer
      }
      return {
        add: (block) => tell({ id, block }, whole(block)),
        async page() {
          const { text, next } = await ask('page')
          return text && { list: new TagList(bufferOf(text)), ...(next !== undefined && { next }) }
        },
        async merge(lists) {
          // They may be in use, and are copied.
          for (const { text } of lists) tell({ id, list: text })
          return new TagList(bufferOf((await ask('merged')).text!))
        },
        leave() {
          if (open.has(id)) tell({ id, isLeft: true })
          close(id)
        },
      }
    },
    async manifest(body, contentType, expected) {
      const { id, answer, tell } = beginTask()
      tell({ id, manifest: body, contentType, expected }, whole(body))
      const manifest = (await answer).manifest!
      if ('problem' in manifest) return manifest
      const { descriptor, references } = manifest
      return { descriptor, body: bufferOf(manifest.body), references: unpackReferences(references) }
    },
  }
}

export function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** The memory of `bytes`, to be handed over to another thread, unless somebody else has a part of it. */
export function whole({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}
