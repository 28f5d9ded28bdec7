/** The thread of `sorter-thread.ts`. */
import { parentPort } from 'node:worker_threads'
import { TagList } from '../../oci/tag-list.ts'
import { runInBackground } from '../../util/async/background-thread.ts'
import { LongPage } from './long-page.ts'
import { type SorterAnswer, type SorterMessage, whole } from './sorter-thread.ts'

const pages = new Map<number, LongPage>()
const lists = new Map<number, TagList[]>()

runInBackground()
parentPort!.on('message', (message: SorterMessage) => {
  const { id } = message
  if ('block' in message) {
    const page = pages.get(id) ?? new LongPage()
    pages.set(id, page)
    page.add(bufferOf(message.block))
  } else if ('list' in message) {
    lists.set(id, [...(lists.get(id) ?? []), new TagList(bufferOf(message.list))])
  } else {
    if ('asks' in message) reply(message.asks === 'page' ? read(id) : merged(id))
    pages.delete(id)
    lists.delete(id)
    // Of a list some times its size is left, which nothing else here makes V8 collect.
    globalThis.gc?.()
  }
})

function reply(answer: SorterAnswer): void {
  parentPort!.postMessage(answer, answer.text === undefined ? [] : whole(answer.text))
}

function read(id: number): SorterAnswer {
  const page = pages.get(id)?.end()
  return { id, text: page?.list.text, next: page?.next }
}

function merged(id: number): SorterAnswer {
  return { id, text: TagList.merge(lists.get(id) ?? []).text }
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
