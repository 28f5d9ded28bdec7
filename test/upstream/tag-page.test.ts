import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PageRequest, TagPage } from '../../src/ports/repository.ts'
import { parseTagPage } from '../../src/upstream/body/tag-page.ts'

const list = (...tags: unknown[]): string => JSON.stringify({ name: 'app', tags })

const CASES: [body: string, link: string | undefined, asked: PageRequest, page: TagPage | undefined][] = [
  [list('a', 'b'), undefined, {}, { tags: ['a', 'b'] }],
  ['{"name":"app","tags":null}', undefined, {}, { tags: [] }],
  // What is no tag cannot be asked for and may not reach a header.
  [list('ok', '../x', 'a\r\nb', 7, ''), undefined, {}, { tags: ['ok'] }],
  [
    list('a', 'b'),
    '</v2/app/tags/list?n=2&last=b>; rel="next"',
    { n: 2 },
    { tags: ['a', 'b'], next: { n: 2, last: 'b' } },
  ],
  // Another host, another repository
  [
    list('a'),
    '<http://evil.example/v2/other/tags/list?n=9&last=z>; rel="next"',
    {},
    { tags: ['a'], next: { n: 9, last: 'z' } },
  ],
  [list('a'), '<?next_page=opaque>; rel=next', { n: 1 }, { tags: ['a'], next: { n: 1, last: 'a' } }],
  [list('a'), '<?n=-1&last=%0d%0aX:>; rel="next"', {}, { tags: ['a'], next: { last: 'a' } }],
  [list('a'), '<?last=q>; rel="prev"', {}, { tags: ['a'] }],
  [list('a'), '<http://[>; rel="next"', {}, { tags: ['a'] }],
  // A page that leads to itself
  [list('b'), '<?last=a>; rel="next"', { last: 'a' }, { tags: ['b'] }],
  [list(), '<?n=1>; rel="next"', { n: 1 }, { tags: [] }],
  ['{}', undefined, {}, undefined],
  ['null', undefined, {}, undefined],
  ['<html>', undefined, {}, undefined],
]

test('SEC-05 a page of tags is read, and of Link only which page comes next', () => {
  for (const [body, link, asked, page] of CASES) {
    assert.deepEqual(parseTagPage(Buffer.from(body), link, asked), page, `${body} ${link}`)
  }
})
