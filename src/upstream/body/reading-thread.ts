import { extname } from 'node:path'
import type { Worker } from 'node:worker_threads'
import type { Manifest } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { TagList } from '../../oci/tag-list.ts'
import { startThread } from '../../util/async/start-thread.ts'
import { memoryOf } from '../../util/own-memory.ts'
import type { PageText } from '../tags/page-text.ts'
import { manifestOf } from './manifest-type.ts'
import { type PackedReferences, unpackReferences } from './packed-references.ts'
import { TextSlots } from './text-slots.ts'

/** What the thread is told. Tasks end with a question, `isLeft` without one. */
export type ReadingMessage = { readonly id: number } & (
  | { readonly block: Uint8Array }
  | { readonly list: Uint8Array }
  /** `slot`: where the text goes, if there is room for it. */
  | { readonly asks: 'page' | 'merged'; readonly slot: SharedArrayBuffer | undefined }
  | { readonly isLeft: true }
  | ManifestQuestion
)

interface ManifestQuestion {
  readonly upstream: string
  readonly manifest: Uint8Array
  readonly contentType: string | undefined
  readonly expected: Digest | undefined
}

export interface ReadingAnswer {
  readonly id: number
  /** Of the list, or its length where it is in the slot; undefined: it is no tag list. */
  readonly text?: Uint8Array | number | undefined
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
  /** Hands over some bytes of the body of a page. The caller loses them, and the memory that they are in. */
  add(block: Uint8Array): void
  /** Reads the page. @returns undefined when it is no tag list */
  page(): Promise<PageText | undefined>
  merge(lists: readonly TagList[]): Promise<TagList>
  /** Drops what was added. */
  leave(): void
}

/**
 * Reads long answers, one at a time, at a low priority: tag lists, which it sorts, and manifests, which go
 * before lists, of each upstream in turn.
 */
export interface ReadingThread {
  /** @throws RegistryError NO_THREAD while the machine has no thread for it; so do the tasks when it has ended */
  begin(): ListTask
  /** As `manifestOf` does. The caller loses `body`, and gets it back with the manifest. */
  manifest(
    upstream: string,
    body: Buffer,
    contentType: string | undefined,
    expected: Digest | undefined,
  ): Promise<Manifest | { readonly problem: string }>
}

interface Task extends PromiseWithResolvers<ReadingAnswer> {
  /** Lists that the thread may read. */
  reads: readonly TagList[]
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
  const open = new Map<number, Task>()
  let slots = new TextSlots()

  function start(): Worker | undefined {
    const code = new URL(`./reading-worker${extname(import.meta.url)}`, import.meta.url)
    const started = startThread(code, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES } })
    if (started === undefined) return undefined
    started.unref()
    started.on('message', (answer: ReadingAnswer) => {
      const { id } = answer
      const task = open.get(id)
      if (task === undefined || typeof answer.text !== 'number') slots.giveBack(id)
      task?.resolve(answer)
      close(id)
    })
    started.on('error', (error) => failAll(started, error))
    started.on('exit', () => failAll(started, noThread('the thread has ended')))
    return started
  }

  function failAll(of: Worker, reason: Error): void {
    if (worker !== of) return
    worker = undefined
    for (const { reject } of open.values()) reject(reason)
    open.clear()
    slots = new TextSlots()
  }

  function close(id: number): void {
    if (!open.delete(id) || open.size > 0) return
    idle = setTimeout(() => {
      const ending = worker
      worker = undefined
      slots = new TextSlots()
      void ending?.terminate()
    }, IDLE).unref()
  }

  function beginTask() {
    clearTimeout(idle)
    const own = (worker ??= start())
    if (own === undefined) throw noThread('the limit of processes is reached')
    last += 1
    const task: Task = { ...Promise.withResolvers<ReadingAnswer>(), reads: [] }
    // It may fail before anybody asks.
    task.promise.catch(() => {})
    open.set(last, task)
    return {
      id: last,
      task,
      answer: task.promise,
      tell: (message: ReadingMessage, transfer: ArrayBuffer[] = []) => own.postMessage(message, transfer),
    }
  }

  return {
    begin() {
      const { id, task, answer, tell } = beginTask()
      let bytes = 0
      const ask = async (asks: 'page' | 'merged') => {
        tell({ id, asks, slot: slots.lend(id, bytes) })
        const { text, next } = await answer
        return { next, text: typeof text === 'number' ? slots.textOf(id, text) : text && bufferOf(text) }
      }
      return {
        add(block) {
          bytes += block.length
          tell({ id, block }, memoryOf(block))
        },
        async page() {
          const { text, next } = await ask('page')
          return text && { list: new TagList(text), ...(next !== undefined && { next }) }
        },
        async merge(lists) {
          // What is in a slot is read there, and must not be overwritten meanwhile. The others are copied.
          task.reads = lists
          for (const { text } of lists) {
            bytes += text.length
            tell({ id, list: text })
          }
          return new TagList((await ask('merged')).text!)
        },
        leave() {
          if (open.has(id)) tell({ id, isLeft: true })
          close(id)
        },
      }
    },
    async manifest(upstream, body, contentType, expected) {
      // Here, it takes some milliseconds.
      if ((worker ??= start()) === undefined) return manifestOf(body, contentType, expected)
      const { id, answer, tell } = beginTask()
      tell({ id, upstream, manifest: body, contentType, expected }, memoryOf(body))
      const manifest = (await answer).manifest!
      if ('problem' in manifest) return manifest
      const { descriptor, references } = manifest
      return { descriptor, body: bufferOf(manifest.body), references: unpackReferences(references) }
    },
  }
}

function noThread(reason: string): RegistryError {
  return new RegistryError('NO_THREAD', { operation: 'read', reason })
}

export function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
