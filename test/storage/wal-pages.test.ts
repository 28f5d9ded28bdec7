/** How much of the WAL of the index is not in the file yet, with an SQLite that tells it and one that does not. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { walPages } from '../../src/storage/index/wal-pages.ts'
import { tempFolder } from '../support/temp-folder.ts'

for (const [how, version] of [
  ['counted by SQLite', process.versions['sqlite']!],
  ['estimated from the changes', '3.50.4'],
] as const) {
  test(`unwritten pages, ${how}`, async () => {
    await using folder = await tempFolder()
    using db = new DatabaseSync(join(folder.path, 'index.sqlite'))
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT) STRICT')
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    const wal = walPages(db, version)
    assert.equal(wal.unwritten, 0)
    const add = db.prepare('INSERT INTO t VALUES (?)')
    for (let i = 0; i < 100; i++) add.run('x'.repeat(100))
    const grown = wal.unwritten
    assert.ok(grown >= 100 && grown <= 500, `${grown} pages`)
    const { log } = db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as { log: number }
    assert.ok(log <= grown, `${log} pages in the WAL, ${grown} were told`)
    wal.written()
    assert.equal(wal.unwritten, 0)
  })
}
