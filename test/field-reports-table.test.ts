/** docs/field-reports.md says which test shows what. It is true. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const ROOT = new URL('..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')

const ROWS = read('docs/field-reports.md')
  .split('\n')
  .flatMap((line) => {
    const [, id, , , shown] = /^\| (FR-\d\d) +\| (.+?) +\| (.+?) +\| (.+?) +\|$/.exec(line) ?? []
    return id === undefined ? [] : [{ id, shown: shown! }]
  })

/** Ids in what `text` calls its tests: in strings, and not in comments. */
function idsIn(text: string): Set<string> {
  const code = text.replace(/^\s*(?:\/\/|\/\*\*|\*).*$/gm, '')
  const strings = code.match(/(['`"])(?:(?!\1)[^\n\\]|\\.)*\1/g) ?? []
  return new Set(strings.flatMap((string) => string.match(/FR-\d\d/g) ?? []))
}

test('every situation has one row, in order', () => {
  const ids = ROWS.map(({ id }) => id)
  assert.ok(ids.length > 0)
  assert.deepEqual(ids, [...new Set(ids)].toSorted())
})

test('every row names a test, and every file named has a test with the id in its name', () => {
  for (const { id, shown } of ROWS) {
    const files = [...shown.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file!)
    assert.ok(files.length > 0, id)
    for (const file of files) {
      assert.ok(existsSync(new URL(file, ROOT)), `${id}: ${file} does not exist`)
      assert.ok(idsIn(read(file)).has(id), `${id} is in no name in ${file}`)
    }
  }
})

test('every id in the name of a test has a row', () => {
  const known = new Set(ROWS.map(({ id }) => id))
  const files = globSync('test/**/*.test.ts', { cwd: ROOT }).filter(
    (file) => !file.endsWith('field-reports-table.test.ts'),
  )
  for (const file of files)
    for (const id of idsIn(read(file))) assert.ok(known.has(id), `${id} in ${file} has no row`)
})
