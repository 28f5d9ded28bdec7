import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { filesystemStore } from '../../src/storage/filesystem-store.ts'
import { tempFolder } from '../support/temp-folder.ts'

const DAY = 86_400_000
const digest = digestOf(Buffer.from('a layer'))
const REGISTRY = 'registry.site-b.example'

test('where content was pushed is remembered, youngest first, over restarts', async () => {
  await using folder = await tempFolder()
  const open = () => filesystemStore({ root: folder.path, telemetry: { evicted() {}, failed() {} } })
  const store = await open()
  for (const repository of ['one', 'two', 'three', 'one']) {
    await store.uploadSources.add(REGISTRY, digest, { repository, seal: `seal of ${repository}` })
  }
  await store.uploadSources.add('other.example', digest, { repository: 'elsewhere', seal: '' })
  await store.uploadSources.remove(REGISTRY, digest, 'two')
  await store.close()
  const again = await open()
  assert.deepEqual(await again.uploadSources.of(REGISTRY, digest), [
    { repository: 'one', seal: 'seal of one' },
    { repository: 'three', seal: 'seal of three' },
  ])
  await again.close()
})

test('SEC-91: of one digest 50 places are remembered, in all 100,000 rows, none for more than 90 days', async () => {
  await using folder = await tempFolder()
  let now = 100 * DAY
  const options = { root: folder.path, telemetry: { evicted() {}, failed() {} }, now: () => now }
  const store = await filesystemStore(options)
  const add = (repository: string) => store.uploadSources.add(REGISTRY, digest, { repository, seal: '' })
  for (let i = 0; i < 60; i++) await add(`app-${i}`)
  const known = await store.uploadSources.of(REGISTRY, digest)
  assert.deepEqual([known.length, known[0]?.repository, known.at(-1)?.repository], [50, 'app-59', 'app-10'])
  await store.close()

  const index = new DatabaseSync(join(folder.path, 'index.sqlite'))
  index.exec(`PRAGMA synchronous = OFF; WITH RECURSIVE row(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM row WHERE i < 100040)
    INSERT INTO upload_sources (registry, digest, repository, seal, at)
    SELECT 'r.example', 'digest ' || i, 'app', '', ${now} FROM row`)
  const count = (database: DatabaseSync) =>
    Number(database.prepare('SELECT count(*) AS count FROM upload_sources').get()!['count'])
  const before = count(index)
  index.close()
  const reopened = await filesystemStore(options)
  for (let i = 0; i < 60; i++) {
    await reopened.uploadSources.add(REGISTRY, digest, { repository: `late-${i}`, seal: '' })
  }
  // The oldest go, some with each that comes.
  now += 91 * DAY
  await reopened.uploadSources.add(REGISTRY, digest, { repository: 'last', seal: '' })
  await reopened.close()
  const after = new DatabaseSync(join(folder.path, 'index.sqlite'))
  assert.ok(before > 100_000 && count(after) <= 100_000, `${before}, ${count(after)}`)
  after.close()
})
