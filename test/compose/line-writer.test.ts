/** The writer of the log: batches, order, a reader that is too slow, a process that ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type LineOutput, LineWriter } from '../../src/compose/log/line-writer.ts'
import { eventually } from '../support/fixtures.ts'

const dropped = (count: number) => `dropped ${count}\n`
const numbered = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}\n`)

/** Takes at most `room` bytes at a time. */
function output(
  room = () => Infinity,
): LineOutput & { readonly text: () => string; readonly writes: () => number } {
  let text = ''
  let writes = 0
  const take = (bytes: Buffer): number => {
    writes += 1
    const taken = bytes.subarray(0, room())
    text += taken.toString('latin1')
    return taken.length
  }
  return { write: async (bytes) => take(bytes), writeSync: take, text: () => text, writes: () => writes }
}

test('lines are written in batches, in order, with those of sources', async () => {
  const out = output()
  const writer = new LineWriter(out, { dropped })
  const lines = numbered(1000)
  for (const line of lines) writer.write(line)
  writer.writeLater({ takeLines: () => 'from a source\n' })
  await eventually(() => out.text().endsWith('from a source\n'))
  assert.equal(out.text(), `${lines.join('')}from a source\n`)
  assert.ok(out.writes() <= 2)
})

test('a batch is written every 20 ms at most, however many lines come meanwhile, from the same few buffers', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const used = new Set<ArrayBufferLike>()
  const written: string[] = []
  const out: LineOutput = {
    async write(bytes) {
      used.add(bytes.buffer)
      written.push(bytes.toString())
      writer.write(`line ${written.length}\n`)
      return bytes.length
    },
    writeSync: (bytes) => bytes.length,
  }
  const writer = new LineWriter(out, { dropped })
  writer.write('line 0\n')
  for (let batch = 1; batch <= 50; batch++) {
    t.mock.timers.tick(20)
    await turn()
    assert.equal(written.length, batch)
  }
  assert.deepEqual(written, numbered(50))
  assert.ok(used.size <= 3, `${used.size} buffers`)
})

test('an output that takes a little at a time, or nothing for a while, gets every byte', async () => {
  let calls = 0
  const out = output(() => (++calls % 3 === 0 ? 0 : 7))
  const writer = new LineWriter(out, { dropped })
  const text = numbered(50).join('')
  writer.write(text)
  await eventually(() => out.text().length === text.length)
  assert.equal(out.text(), text)
})

test('an output that did not take everything is left alone for a moment', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const out = output(() => 7)
  const writer = new LineWriter(out, { dropped })
  writer.write('0123456789\n')
  t.mock.timers.tick(20)
  await turn()
  assert.equal(out.text(), '0123456')
  t.mock.timers.tick(1)
  await turn()
  assert.equal(out.text(), '0123456789\n')
})

test('F88: what waits for a blocked reader is bounded; dropped lines are counted and told', async () => {
  let room = 0
  const out = output(() => room)
  const writer = new LineWriter(out, { dropped, maxBytes: 100 })
  for (const line of numbered(1000)) writer.write(line)
  await eventually(() => out.writes() > 2)
  assert.equal(out.text(), '')
  room = Infinity
  await eventually(() => out.text().includes('dropped'))
  const lines = out.text().trimEnd().split('\n')
  const kept = lines.length - 1
  assert.ok(kept >= 10 && kept <= 20, `${kept} lines were kept`)
  assert.equal(lines.at(-1), `dropped ${1000 - kept}`)
  assert.deepEqual(
    lines.slice(0, -1),
    numbered(kept).map((line) => line.trimEnd()),
  )
})

test('a process that ends writes what is left, of sources too, and waits for nobody for long', () => {
  const out = output()
  const writer = new LineWriter(out, { dropped })
  writer.write('one\n')
  writer.writeLater({ takeLines: () => 'two\n' })
  writer.flushSync()
  assert.equal(out.text(), 'one\ntwo\n')

  const blocked = new LineWriter(
    output(() => 0),
    { dropped },
  )
  blocked.write('one\n')
  const before = performance.now()
  blocked.flushSync()
  assert.ok(performance.now() - before < 5000)
})
