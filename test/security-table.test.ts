/** SECURITY.md says which test shows what. It is true. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const ROOT = new URL('..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')

/** First and last number of each chapter of lessons. */
const CHAPTERS = [
  [1, 10],
  [20, 27],
  [30, 39],
  [50, 60],
] as const
/** The chapter of what was found by attacking Entrepot itself: a row comes with the test. */
const OWN_CHAPTER = [70, 97] as const
const idsFrom = ([first, last]: readonly [number, number]): string[] =>
  Array.from({ length: last - first + 1 }, (_, i) => `SEC-${String(first + i).padStart(2, '0')}`)
const OWN_IDS = idsFrom(OWN_CHAPTER)

const ROWS = read('SECURITY.md')
  .split('\n')
  .flatMap((line) => {
    const [, id, lesson, shown] = /^\| (SEC-\d\d) +\| (.+?) +\| (.+?) +\|$/.exec(line) ?? []
    return id === undefined ? [] : [{ id, lesson, shown: shown! }]
  })

const IDS = [...CHAPTERS.flatMap(idsFrom), ...OWN_IDS.filter((own) => ROWS.some(({ id }) => id === own))]

/** Ids in what `text` calls its tests: in strings, and not in comments. */
function idsIn(text: string): Set<string> {
  const code = text.replace(/^\s*(?:\/\/|\/\*\*|\*).*$/gm, '')
  const strings = code.match(/(['`])(?:(?!\1)[^\n\\]|\\.)*\1/g) ?? []
  return new Set(strings.flatMap((string) => string.match(/SEC-\d+/g) ?? []))
}

test('every lesson has one row, in order', () => {
  assert.deepEqual(
    ROWS.map(({ id }) => id),
    IDS,
  )
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
  const files = globSync('test/**/*.ts', { cwd: ROOT }).filter(
    (file) => !file.endsWith('security-table.test.ts'),
  )
  const used = files.flatMap((file) => [...idsIn(read(file))].map((id) => ({ id, file })))
  assert.ok(used.length >= IDS.length)
  for (const { id, file } of used) assert.ok(IDS.includes(id), `${id} in ${file}`)
})

test('an id in a comment is no test', () => {
  assert.deepEqual(
    [
      ...idsIn(
        "// SEC-98\n/** SEC-97 */\ntest('SEC-01 it', () => {})\nconst x = { 'a (SEC-02)': `SEC-03 ${y}` }",
      ),
    ],
    ['SEC-01', 'SEC-02', 'SEC-03'],
  )
})
