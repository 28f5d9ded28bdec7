import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MessagePort } from 'node:worker_threads'
import type { Memory } from '../../oci/merge-tag-lists.ts'
import { TagList } from '../../oci/tag-list.ts'
import { Rotation } from '../../util/rotation.ts'
import { LongPage } from '../tags/long-page.ts'
import { manifestOf } from './manifest-type.ts'
import { packReferences } from './packed-references.ts'
import { freeMemory, memoryOf } from '../../util/own-memory.ts'
import { bufferOf, type ReadingAnswer, type ReadingMessage } from './reading-thread.ts'

type ManifestMessage = Extract<ReadingMessage, { manifest: unknown }>
type ListMessage = Exclude<ReadingMessage, { manifest: unknown }>

/** Does the work of the thread, one message at a time. Upstreams take turns with their manifests. */
export function takeMessages(port: MessagePort, early: readonly ReadingMessage[]): void {
  const manifests = new Rotation<ManifestMessage>()
  const lists: ListMessage[] = []
  const listWork = new ListWork(port)
  let isWorking = false

  function take(message: ReadingMessage): void {
    if ('manifest' in message) manifests.add(message.upstream, message)
    else lists.push(message)
    if (isWorking) return
    isWorking = true
    void work()
  }

  async function work(): Promise<void> {
    for (;;) {
      // Messages that came meanwhile are taken: a manifest does not wait for a list of 12 MB.
      await nextTurn()
      const manifest = manifests.next()
      const list = manifest === undefined ? lists.shift() : undefined
      if (manifest !== undefined) await readManifest(port, manifest)
      else if (list !== undefined) listWork.take(list)
      else break
    }
    isWorking = false
  }

  port.on('message', take)
  for (const message of early) take(message)
}

async function readManifest(
  port: MessagePort,
  { id, manifest: bytes, contentType, expected }: ManifestMessage,
): Promise<void> {
  const read = await manifestOf(bufferOf(bytes), contentType, expected)
  const isManifest = !('problem' in read)
  const references = isManifest ? packReferences(read.references!) : undefined
  const manifest = isManifest
    ? { descriptor: read.descriptor, body: bytes, references: references! }
    : { problem: read.problem }
  const memory = references && [bytes, references.blobs.bytes, references.digests.bytes].flatMap(memoryOf)
  if (!isManifest) freeMemory(bytes)
  port.postMessage({ id, manifest } satisfies ReadingAnswer, memory ?? [])
}

interface Answer {
  readonly text: Buffer | undefined
  readonly next: string | undefined
}

class ListWork {
  readonly #port: MessagePort
  readonly #pages = new Map<number, LongPage>()
  readonly #lists = new Map<number, TagList[]>()

  constructor(port: MessagePort) {
    this.#port = port
  }

  take(message: ListMessage): void {
    const { id } = message
    if ('block' in message) {
      const page = this.#pages.get(id) ?? new LongPage()
      this.#pages.set(id, page)
      page.add(bufferOf(message.block))
    } else if ('list' in message) {
      this.#lists.set(id, [...(this.#lists.get(id) ?? []), new TagList(bufferOf(message.list))])
    } else {
      if ('asks' in message) {
        const { asks, slot } = message
        const memory = (bytes: number): Buffer =>
          slot !== undefined && bytes <= slot.byteLength
            ? Buffer.from(slot, 0, bytes)
            : Buffer.allocUnsafeSlow(bytes)
        this.#reply(id, asks === 'page' ? this.#read(id, memory) : this.#merged(id, memory), slot)
      }
      this.#pages.get(id)?.[Symbol.dispose]()
      this.#pages.delete(id)
      for (const { text } of this.#lists.get(id) ?? []) freeMemory(text)
      this.#lists.delete(id)
    }
  }

  #reply(id: number, { text, next }: Answer, slot: SharedArrayBuffer | undefined): void {
    if (text !== undefined && slot !== undefined && text.length <= slot.byteLength) {
      if (text.buffer !== slot) new Uint8Array(slot).set(text)
      this.#port.postMessage({ id, text: text.length, next } satisfies ReadingAnswer, [])
    } else {
      this.#port.postMessage(
        { id, text, next } satisfies ReadingAnswer,
        text === undefined ? [] : memoryOf(text),
      )
    }
  }

  #read(id: number, memory: Memory): Answer {
    const page = this.#pages.get(id)?.end(memory)
    return { text: page?.list.text, next: page?.next }
  }

  #merged(id: number, memory: Memory): Answer {
    return { text: TagList.merge(this.#lists.get(id) ?? [], memory).text, next: undefined }
  }
}
