/** The thread of `sorter.ts`. */
import { parentPort } from 'node:worker_threads'
import { TagList } from '../../oci/tag-list.ts'
import { runInBackground } from '../../util/async/background-thread.ts'
import { readPageText } from './page-text.ts'
import { type SorterAnswer, type SorterTask, whole } from './sorter.ts'

runInBackground()
parentPort!.once('message', (task: SorterTask) => {
  const answer = 'body' in task ? read(bytesOf(task.body)) : merged(task.texts)
  parentPort!.postMessage(answer, answer === undefined ? [] : whole(answer.text))
})

function read(body: Buffer): SorterAnswer {
  const page = readPageText(body)
  return page && { text: page.list.text, ...(page.next !== undefined && { next: page.next }) }
}

function merged(texts: readonly Uint8Array[]): SorterAnswer {
  return { text: TagList.merge(texts.map((text) => new TagList(bytesOf(text)))).text }
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
