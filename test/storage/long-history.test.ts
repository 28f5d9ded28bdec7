/** A long history of changes of tags, within the figures of the design: start, sweep, drift, and nobody waits. */
import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { imagePattern } from '../../src/oci/image-pattern.ts'
import { type StoreFolder, storeFolder } from './setup.ts'

/** `CHANGES=1000000` for the figures of the design. */
const CHANGES = Number(process.env['CHANGES'] ?? 200_000)
const OF_TAG = 50
const DAY = 86_400_000

/** The longest time in which nobody else got a turn, in milliseconds, and the CPU that was spent in it. */
async function measured<T>(task: () => Promise<T>) {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last - 1)
    last = performance.now()
  }, 1)
  const start = performance.now()
  try {
    const value = await task()
    return { value, took: Math.round(performance.now() - start), longest: Math.round(longest) }
  } finally {
    clearInterval(timer)
  }
}

/** A store with a history of 90 days, of which half of the tags are known. */
async function storeWithHistory(now: number): Promise<StoreFolder> {
  const folder = await storeFolder()
  await (await folder.open()).close()
  const db = new DatabaseSync(join(folder.path, 'index.sqlite'))
  db.exec(`BEGIN;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${CHANGES - 1})
    INSERT INTO tag_history (upstream, repository, tag, at, digest)
      SELECT 'docker.io', 'library/app-' || (i % 2000), 'v' || (i / 2000 % ${CHANGES / OF_TAG / 2000}),
        ${now} - ${90 * DAY} + i * ${Math.floor((90 * DAY) / CHANGES)}, printf('sha256:%064x', i)
      FROM n;
    INSERT INTO tags (upstream, repository, tag, digest, checked_at, last_used)
      SELECT upstream, repository, tag, digest, at, ${now} FROM tag_history
      WHERE id > ${CHANGES - CHANGES / OF_TAG} AND id % 2 = 0;
    COMMIT`)
  db.close()
  return folder
}

/** SQLite itself writes the WAL back when it has 32 MiB, on the main thread: that holds everybody up. */
async function leavesTheWalToAnotherThread({ path }: StoreFolder): Promise<void> {
  const { size } = await stat(join(path, 'index.sqlite-wal'))
  assert.ok(size < 26 * 1024 * 1024, `the WAL grew to ${size} bytes`)
}

test('many changes of tags: start, drift, as of, what is retained, and the sweep', async (t) => {
  const now = Date.now()
  await using folder = await storeWithHistory(now)
  const { value: store, took: start } = await measured(() =>
    folder.open({ retained: () => [{ match: imagePattern('docker.io/library/app-1*:v1'), keep: 30 * DAY }] }),
  )
  try {
    const drift = await measured(() => store.movesSince(now - 7 * DAY, 1_001))
    const one = { upstream: 'docker.io', name: 'library/app-7' }
    const past = await measured(() => store.tags.past(one, 'v1'))
    const list = await measured(() => store.seenAt(now - 10 * DAY, one))
    const all = await measured(() => store.seenAt(now - 10 * DAY))
    const retained = await measured(() => store.retained())
    const sweep = await measured(() => store.tags.removeUnusedSince(now - 7 * DAY))
    const figures = { start, drift, past, list, all, retained, sweep }
    t.diagnostic(
      JSON.stringify(figures, (_, value: unknown) =>
        Array.isArray(value) || value instanceof Set ? undefined : value,
      ),
    )
    assert.equal(drift.value.length, 1_001)
    assert.equal(past.value.length, OF_TAG)
    assert.equal(list.value.length, CHANGES / OF_TAG / 2_000)
    assert.ok(all.value.length >= CHANGES / OF_TAG - 10)
    assert.ok(start < 5_000, `start ${start} ms`)
    // Others wait for the processor too: the figures are in the report.
    for (const [name, { longest }] of Object.entries({ drift, past, list, all, retained, sweep }))
      assert.ok(longest < 1_000, `${name} held others for ${longest} ms`)
    await leavesTheWalToAnotherThread(folder)
  } finally {
    await store.close()
  }
})

test('a sweep where no rule keeps the past: the history of known tags stays', async (t) => {
  const now = Date.now()
  await using folder = await storeWithHistory(now)
  await using store = await folder.open()
  const { took, longest } = await measured(() => store.tags.removeUnusedSince(now - 7 * DAY))
  t.diagnostic(JSON.stringify({ took, longest }))
  await leavesTheWalToAnotherThread(folder)
  const past = async (name: string) => (await store.tags.past({ upstream: 'docker.io', name }, 'v1')).length
  // The rows of even numbers belong to tags that are known.
  assert.equal(await past('library/app-7'), OF_TAG)
  const ofUnknown = await past('library/app-6')
  assert.ok(ofUnknown > 0 && ofUnknown <= 5, `${ofUnknown} changes of the last 7 of 90 days`)
})
