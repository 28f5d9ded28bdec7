import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Blob, blobOf } from '../support/fixtures.ts'
import { halted } from './killed.ts'
import { fill, holdsOnly, put, storeFolder } from './setup.ts'

const MiB = 1024 * 1024
/** What `kill-fixture.ts` stores; it is killed while it stores the second. */
const EARLIER = blobOf(1000, 1)
const KILLED = blobOf(9 * MiB, 2)

/** What the fixture does for the second blob. The index row is written after the second `syncFolder`. */
const STEPS = [
  'open',
  'write',
  'write',
  'writeText', // the note, at 8 MiB
  'rename',
  'write',
  'sync',
  'makeFolder',
  'rename',
  'syncFolder',
  'syncFolder',
  'remove', // the note
  'remove',
  'close',
]
const NOTED = 5
const NAMED = 9
const INDEXED = 11

suite('F67 kill -9', { concurrency: 2 }, () => {
  test('the steps are those that are tried here', async () => {
    await using folder = await storeFolder()
    await using child = await halted(folder.path, STEPS.length)
    assert.deepEqual(child.steps, STEPS)
  })

  for (const [step, operation] of STEPS.entries()) {
    test(`before step ${step}, ${operation}`, () => killedAt(step, 'before'))
  }
  test('after the name is on the disk, before the index knows', () => killedAt(INDEXED - 1, 'after'))
})

async function killedAt(step: number, when: 'before' | 'after'): Promise<void> {
  await using folder = await storeFolder()
  await using child = await halted(folder.path, step, when)
  await child.kill()
  const position = when === 'before' ? step : step + 1
  {
    await using store = await folder.open()
    await holdsOnly(store, position >= NAMED ? [EARLIER, KILLED] : [EARLIER])
    await using ingest = await store.blobs.ingest({ digest: KILLED.digest })
    const kept = position >= NOTED && position < NAMED ? [{ start: 0, end: 8 * MiB }] : []
    assert.deepEqual([...ingest.filled], kept)
    await fill(ingest, KILLED.bytes)
    await ingest.commit()
    await holdsOnly(store, [EARLIER, KILLED])
    assert.deepEqual({ failed: store.failed, evicted: store.evicted }, { failed: [], evicted: [] })
  }
  assert.deepEqual(await folder.files(), digestsOf([EARLIER, KILLED]))
  assert.deepEqual(await folder.ingest(), [])
  await using again = await folder.open({ rebuilding: () => assert.fail('nothing is left to be looked for') })
  await put(again, blobOf(10, 3))
}

function digestsOf(blobs: readonly Blob[]): readonly string[] {
  return blobs.map(({ digest }) => digest).toSorted()
}
