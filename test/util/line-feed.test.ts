import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineFeed } from '../../src/util/async/line-feed.ts'

test('what was not read yet is replaced by what follows under its key', async () => {
  const feed = lineFeed<string>(1)
  const lines = feed[Symbol.asyncIterator]()
  feed.put('a', 'a1')
  feed.put('b', 'b1')
  feed.put('a', 'a2')
  assert.deepEqual(await lines.next(), { value: 'a2', done: false })
  feed.put('a', 'a3')
  feed.put('a', 'a4')
  assert.deepEqual(await lines.next(), { value: 'b1', done: false })
  assert.deepEqual(await lines.next(), { value: 'a4', done: false })
  feed.put('c', 'c1')
  feed.end()
  assert.deepEqual(await lines.next(), { value: 'c1', done: false })
  assert.deepEqual(await lines.next(), { value: undefined, done: true })
})

test('an ended feed does not wait for its pause', { timeout: 5_000 }, async () => {
  const feed = lineFeed<string>(3_600_000)
  feed.put('a', 'a1')
  const read = Array.fromAsync(feed)
  await Promise.resolve()
  feed.end()
  assert.deepEqual(await read, ['a1'])
})
