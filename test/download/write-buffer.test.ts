import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { WriteBuffer } from '../../src/download/fetch/write-buffer.ts'
import { blobOf } from '../support/fixtures.ts'

const KiB = 1024

/** A disk that completes each write on command. */
function slowDisk() {
  const written: Buffer[] = []
  const waiting: PromiseWithResolvers<void>[] = []
  return {
    written,
    get waiting() {
      return waiting.length
    },
    async write(bytes: Buffer) {
      const turn = Promise.withResolvers<void>()
      waiting.push(turn)
      await turn.promise
      written.push(Buffer.from(bytes))
    },
    /** Completes the running write, or fails it, and lets the consequences happen. */
    async proceed(error?: Error) {
      const next = waiting.shift()
      if (error === undefined) next?.resolve()
      else next?.reject(error)
      await turn()
    },
  }
}

describe('gathering', () => {
  test('a chunk that comes while nothing is written is written at once, as it is', async () => {
    const disk = slowDisk()
    const buffer = new WriteBuffer(disk.write)
    for (const text of ['one', 'two']) {
      assert.equal(buffer.add(Buffer.from(text)), undefined)
      await disk.proceed()
    }
    await buffer.flush()
    assert.deepEqual(disk.written.map(String), ['one', 'two'])
    assert.equal(buffer.allocated, 0)
  })

  test('what comes meanwhile is written in one piece', async () => {
    const disk = slowDisk()
    const buffer = new WriteBuffer(disk.write)
    for (const text of ['one', 'two', 'three']) buffer.add(Buffer.from(text))
    await disk.proceed()
    await disk.proceed()
    await buffer.flush()
    assert.deepEqual(disk.written.map(String), ['one', 'twothree'])
  })

  test('more may come than was expected, even where nothing was', async () => {
    for (const expected of [-5, 0, 3]) {
      const disk = slowDisk()
      const buffer = new WriteBuffer(disk.write, { expected })
      for (const text of ['one', '', 'two', 'three']) buffer.add(Buffer.from(text))
      await disk.proceed()
      await disk.proceed()
      await buffer.flush()
      assert.deepEqual(disk.written.map(String), ['one', 'twothree'])
    }
  })

  test('no more than a piece is gathered, and every byte is written in its order', async () => {
    const disk = slowDisk()
    const { bytes } = blobOf(3000 * KiB)
    const buffer = new WriteBuffer(disk.write)
    let held = 0
    for (let at = 0; at < bytes.length; at += 100 * KiB) {
      const room = buffer.add(bytes.subarray(at, at + 100 * KiB))
      if (room === undefined) continue
      held += 1
      while (disk.waiting > 0 && !(await isSettled(room))) await disk.proceed()
      await room
    }
    while (disk.waiting > 0) await disk.proceed()
    await buffer.flush()
    assert.ok(held >= 4, `${held}`)
    assert.ok(disk.written.every(({ length }) => length <= 512 * KiB))
    assert.ok(Buffer.concat(disk.written).equals(bytes))
  })

  test('a failed write is thrown by whatever comes after it, and nothing is written any more', async () => {
    const disk = slowDisk()
    const buffer = new WriteBuffer(disk.write)
    buffer.add(Buffer.from('one'))
    buffer.add(Buffer.from('two'))
    await disk.proceed(new Error('full'))
    assert.throws(() => buffer.add(Buffer.from('three')), /full/)
    await assert.rejects(buffer.flush(), /full/)
    assert.equal(disk.waiting, 0)
    assert.deepEqual(disk.written, [])
  })
})

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return (await Promise.race([promise, turn(pending)])) !== pending
}
