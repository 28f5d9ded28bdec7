import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import type { OpenFile } from '../../src/storage/files.ts'
import { SharedFiles } from '../../src/storage/blobs/shared-files.ts'

suite('files that many read at the same time', () => {
  let shared: SharedFiles
  let opened: number
  let closed: number

  beforeEach(() => {
    shared = new SharedFiles()
    opened = closed = 0
  })

  const open = async (): Promise<OpenFile> => {
    opened += 1
    return {
      read: async () => 1,
      write: async () => 0,
      sync: async () => {},
      size: async () => 1,
      id: async () => '',
      close: async () => void (closed += 1),
    }
  }

  test('are opened once, and closed after the last reader', async () => {
    const files = await Promise.all(Array.from({ length: 100 }, () => shared.open('a', open)))
    assert.equal(opened, 1)
    const [last, ...others] = files
    for (const file of others) await Promise.all([file!.close(), file!.close()])
    assert.equal(closed, 0)
    assert.equal(await last!.read(Buffer.alloc(1), 0), 1)
    await last!.close()
    assert.equal(closed, 1)
  })

  test('are opened again by who comes later, and by another key', async () => {
    const first = await shared.open('a', open)
    await shared.open('b', open)
    await first!.close()
    await shared.open('a', open)
    assert.deepEqual([opened, closed], [3, 1])
  })

  test('that cannot be opened are told to everybody who waits, and tried again', async () => {
    let tries = 0
    const fail = async (): Promise<OpenFile> => {
      tries += 1
      throw new Error('EMFILE')
    }
    const outcomes = await Promise.allSettled([shared.open('a', fail), shared.open('a', fail)])
    assert.deepEqual([outcomes.map(({ status }) => status), tries], [['rejected', 'rejected'], 1])
    const none = async () => void (tries += 1)
    assert.deepEqual(await Promise.all([shared.open('a', none), shared.open('a', none)]), [
      undefined,
      undefined,
    ])
    assert.equal(tries, 2)
    assert.ok(await shared.open('a', open))
  })
})
