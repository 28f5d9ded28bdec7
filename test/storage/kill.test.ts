import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Blob, blobOf } from '../support/fixtures.ts'
import { halted } from './killed.ts'
import { fill, holdsOnly, put, storeFolder } from './setup.ts'

const MiB = 1024 * 1024
/** What `kill-fixture.ts` stores before the blob at which it is killed. */
const EARLIER = blobOf(1000, 1)

interface Killed {
  readonly size: number
  /** What the fixture does for it. The index row is written after the second `syncFolder`. */
  readonly steps: readonly string[]
  /** The numbers of the steps from which on there is a checkpoint, a file with its name, and a row. */
  readonly noted: number
  readonly named: number
  readonly indexed: number
}

const LARGE: Killed = {
  size: 9 * MiB,
  steps: [
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
  ],
  noted: 5,
  named: 9,
  indexed: 11,
}

/** It is in memory until it is committed. */
const SMALL: Killed = {
  size: 5_000,
  steps: ['open', 'write', 'sync', 'makeFolder', 'rename', 'syncFolder', 'syncFolder', 'close'],
  noted: Infinity,
  named: 5,
  indexed: 7,
}

for (const [what, killed] of Object.entries({ LARGE, SMALL })) {
  suite(`F67 kill -9 while a ${what.toLowerCase()} blob is stored`, { concurrency: 2 }, () => {
    const { steps, indexed, size } = killed
    test('the steps are those that are tried here', async () => {
      await using folder = await storeFolder()
      await using child = await halted(folder.path, steps.length, { size })
      assert.deepEqual(child.steps, steps)
    })

    for (const [step, operation] of steps.entries()) {
      test(`before step ${step}, ${operation}`, () => killedAt(killed, step, 'before'))
    }
    test('after the name is on the disk, before the index knows', () =>
      killedAt(killed, indexed - 1, 'after'))
  })
}

async function killedAt(
  { size, noted, named }: Killed,
  step: number,
  when: 'before' | 'after',
): Promise<void> {
  const blob = blobOf(size, 2)
  await using folder = await storeFolder()
  await using child = await halted(folder.path, step, { when, size })
  await child.kill()
  const position = when === 'before' ? step : step + 1
  {
    await using store = await folder.open()
    await holdsOnly(store, position >= named ? [EARLIER, blob] : [EARLIER])
    await using ingest = await store.blobs.ingest({ digest: blob.digest })
    const kept = position >= noted && position < named ? [{ start: 0, end: 8 * MiB }] : []
    assert.deepEqual([...ingest.filled], kept)
    await fill(ingest, blob.bytes)
    await ingest.commit()
    await holdsOnly(store, [EARLIER, blob])
    assert.deepEqual({ failed: store.failed, evicted: store.evicted }, { failed: [], evicted: [] })
  }
  assert.deepEqual(await folder.files(), digestsOf([EARLIER, blob]))
  assert.deepEqual(await folder.ingest(), [])
  await using again = await folder.open({ rebuilding: () => assert.fail('nothing is left to be looked for') })
  await put(again, blobOf(10, 3))
}

function digestsOf(blobs: readonly Blob[]): readonly string[] {
  return blobs.map(({ digest }) => digest).toSorted()
}
