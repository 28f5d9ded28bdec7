/** The documents name files. All of them exist. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const ROOT = new URL('..', import.meta.url)
/** A path in backticks from the root of the repository; not a pattern, and not what a user may have. */
const PATH = /`((?:src|test|bench|docs)\/[\w./-]+)`/g

for (const page of ['docs/architecture.md', 'docs/glossary.md', 'docs/performance.md', 'CONTRIBUTING.md']) {
  test(`every file that ${page} names exists`, () => {
    const text = readFileSync(new URL(page, ROOT), 'utf8')
    const paths = [...text.matchAll(PATH)].map(([, path]) => path!)
    assert.deepEqual(
      paths.filter((path) => !existsSync(new URL(path, ROOT))),
      [],
    )
  })
}

test('the walks name files of every room that a request passes', () => {
  const text = readFileSync(new URL('docs/architecture.md', ROOT), 'utf8')
  for (const room of ['http', 'cache', 'download', 'eviction', 'storage', 'upstream'])
    assert.ok(text.includes(`\`src/${room}/`), room)
})
