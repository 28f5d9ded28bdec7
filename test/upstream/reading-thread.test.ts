import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { TagList } from '../../src/oci/tag-list.ts'
import { manifestOf } from '../support/fixtures.ts'
import { nextThread } from '../support/next-thread.ts'
import { type ListTask, readingThread } from '../../src/upstream/body/reading-thread.ts'

const LENGTH = 40_000
const thread = readingThread()

function tagsOf(list: number): readonly string[] {
  return Array.from({ length: LENGTH }, (_, i) => `list-${list}-with-a-long-name-${i}`)
}

function textOf(list: number): Buffer {
  return TagList.of(tagsOf(list)).text
}

function begin(list: number): ListTask {
  const task = thread.begin()
  const body = Buffer.from(JSON.stringify({ name: 'app', tags: tagsOf(list) }))
  const middle = body.length >> 1
  const blocks = [Buffer.from(body.subarray(0, middle)), Buffer.from(body.subarray(middle))]
  for (const block of blocks) task.add(block)
  return task
}

async function read(list: number): Promise<Buffer> {
  using cleanup = new DisposableStack()
  const task = begin(list)
  cleanup.defer(() => task.leave())
  return (await task.page())!.list.text
}

const isShared = ({ buffer }: Buffer): boolean => buffer instanceof SharedArrayBuffer

test('SEC-73: texts of long lists are in memory that is used again, but not while somebody reads it', async () => {
  const texts: Buffer[] = []
  for (let list = 0; list < 5; list++) texts.push(await read(list))
  assert.deepEqual(texts.map(isShared), [true, true, true, false, false])
  for (const [list, text] of texts.entries()) assert.ok(text.equals(textOf(list)), `list ${list}`)

  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const kept = texts.splice(0).slice(1, 2)
  for (const deadline = Date.now() + 30_000; ;) {
    collect()
    await sleep(10)
    if (isShared(await read(6))) break
    assert.ok(Date.now() < deadline, 'no memory was used again')
  }
  assert.ok(kept[0]!.equals(textOf(1)))
})

test('SEC-73: memory that a list was left in is used again when the thread is done with it', async () => {
  for (let list = 0; list < 5; list++) {
    const left = begin(list)
    void left.page()
    left.leave()
    assert.ok((await read(list + 10)).equals(textOf(list + 10)))
  }
})

test('SEC-73: long lists are merged', async () => {
  const lists = [new TagList(await read(0)), new TagList(await read(1))]
  const merging = thread.begin()
  const merged = await merging.merge(lists)
  assert.deepEqual(merged.tags, [...tagsOf(0), ...tagsOf(1)].toSorted())
})

test('a list whose thread ends is told so, and the next one gets another thread', async () => {
  const own = readingThread()
  const started = nextThread()
  const task = own.begin()
  const reading = task.page()
  void (await started).terminate()
  const detail = { operation: 'read', reason: 'the thread has ended' }
  await assert.rejects(reading, { code: 'NO_THREAD', detail })
  const next = own.begin()
  next.add(Buffer.from('{"tags":["b","a"]}'))
  assert.equal((await next.page())!.list.text.toString(), '"a","b"')
})

test('SEC-73: an upstream with many large manifests takes turns with the others', async () => {
  const own = readingThread()
  const ended: string[] = []
  const read = async (upstream: string, number: number): Promise<void> => {
    const body = manifestOf([], { annotations: { number: `${number}`, long: 'x'.repeat(500_000) } })
    const manifest = await own.manifest(upstream, body, OCI_MANIFEST, undefined)
    assert.ok(!('problem' in manifest))
    ended.push(upstream)
  }
  await Promise.all([
    ...Array.from({ length: 30 }, (_, i) => read('many', i)),
    read('few', 0),
    read('few', 1),
  ])
  assert.ok(ended.lastIndexOf('few') < 15, ended.join(' '))
  assert.equal(ended.length, 32)
})
