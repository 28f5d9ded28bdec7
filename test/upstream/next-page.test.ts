import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextPage, withSize } from '../../src/upstream/tags/next-page.ts'

type Case = [link: string | undefined, next: string | undefined, page: ReturnType<typeof nextPage>]

const CASES: Case[] = [
  [undefined, undefined, undefined],
  ['</v2/app/tags/list?last=b&n=2>; rel="next"', undefined, { query: 'last=b&n=2' }],
  ['<?next_page=gAAA%3D%2B/>; rel=next', undefined, { query: 'next_page=gAAA%3D%2B/' }],
  ['<https://other.example:5/x/v2/app/tags/list?last=b>; rel="next"', undefined, { query: 'last=b' }],
  ['<?last=q>; rel="prev"', undefined, undefined],
  ['<?last=p>; rel="prev", <?last=n>; rel="next"', undefined, { query: 'last=n' }],
  ['<http://[>; rel="next"', undefined, 'unusable'],
  ['</v2/app/tags/list>; rel="next"', undefined, 'unusable'],
  [`<?last=${'x'.repeat(5000)}>; rel="next"`, undefined, 'unusable'],
  ['<?last=b>; title="a, b; c"; rel="next"', undefined, { query: 'last=b' }],
  ['<?last=b>; rel = "last Next"', undefined, { query: 'last=b' }],
  ['<?last=a,b>; rel="next"', undefined, { query: 'last=a,b' }],
  ['<?last=b>', undefined, { query: 'last=b' }],
  ['<?last=b>; title="more"', undefined, { query: 'last=b' }],
  ['<?last=p>, <?last=q>', undefined, undefined],
  ['<?last=b>; rel="nextish"', undefined, undefined],
  ['/v2/app/tags/list?last=b; rel="next"', undefined, 'unusable'],
  [undefined, '/v2/app/tags/list?page=2', { query: 'page=2' }],
  ['<?last=a>; rel="next"', '?last=b', { query: 'last=a' }],
]

test('SEC-05 of a link only the query counts, and every byte of it', () => {
  for (const [link, next, page] of CASES) assert.deepEqual(nextPage(link, next), page, `${link} ${next}`)
})

test('SEC-73 a link is read in time that grows with its length', () => {
  for (const piece of ['<', '<>', '<>;', '<>; rel', '<> ; rel = "', '<>;   ']) {
    const link = piece.repeat(1_000_000 / piece.length)
    const began = performance.now()
    nextPage(link, undefined)
    // What grows with the square of it takes minutes.
    assert.ok(performance.now() - began < 5_000, piece)
  }
})

test('the size of a page is replaced, and the cursor stays as it is', () => {
  assert.equal(withSize('', 100), 'n=100')
  assert.equal(withSize('', undefined), '')
  assert.equal(withSize('n=50&next_page=a%2Fb+c=', 100), 'next_page=a%2Fb+c=&n=100')
  assert.equal(withSize('last=n=1&nn=2&n=0', 100), 'last=n=1&nn=2&n=100')
  assert.equal(withSize('n=50&last=a', undefined), 'n=50&last=a')
})
