import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { LongPage } from '../../src/upstream/tags/long-page.ts'
import { readPageText } from '../../src/upstream/tags/page-text.ts'
import { seededRandom } from '../support/seeded-random.ts'

function read(body: Buffer, size: number): LongPage {
  const page = new LongPage()
  for (let i = 0; i < body.length; i += size) page.add(Buffer.from(body.subarray(i, i + size)))
  return page
}

const told = (page: ReturnType<typeof readPageText>) => page && [page.list.text.toString(), page.next]

suite('SEC-73: a page that is read while it comes says what it says as a whole', () => {
  const bodies = [
    '{"name":"app","tags":["c","a","b","a"]}',
    '{"tags":["b","a"],"next":"/v2/app/tags/list?last=b"}',
    '{ "next" : "x" , "tags" : [ "b" , "\\u0061", "no tag", 7, null, ["x"], {"tags":["y"]}, "a" ] , "name":"app" }',
    '{"a":{"tags":["x"]},"b":["tags"],"tags":[],"c":"\\"tags\\":[\\"z\\"]"}',
    '{"a":"\\\\","tags":["a]","b","}","\\"]","c"]}',
    '{"tags":null}',
    '{"tags":"none"}',
    '{"name":"app"}',
    '["tags",["a"]]',
    '{"tags":["a","b"',
    '{"tags":["a" "b"]}',
    '{"tags":["a",]}',
    '{"tags":[,"a"]}',
    '{"tags":["a",,"b"]}',
    '{"tags":["a"}]}',
    '{"tags":["a"]} and more',
    '{"näme":"täg","tags":["a","ä","b"],"next":"ü"}',
    '',
  ]
  for (const body of bodies) {
    test(body || 'nothing', () => {
      const bytes = Buffer.from(body)
      const whole = told(readPageText(bytes))
      for (let size = 1; size <= bytes.length + 1; size++)
        assert.deepEqual(told(read(bytes, size).end()), whole, `in blocks of ${size}`)
    })
  }

  test('many tags in any order', () => {
    const random = seededRandom(73)
    const tags = Array.from({ length: 5_000 }, () => `v${random.below(4_000)}`)
    const bytes = Buffer.from(JSON.stringify({ tags, next: 'more' }))
    const whole = told(readPageText(bytes))
    for (const size of [100, 1_000, 4_096, 20_000])
      assert.deepEqual(told(read(bytes, size).end()), whole, `in blocks of ${size}`)
  })

  test('more than a million tags are refused, and their memory is free before the end', () => {
    const page = new LongPage()
    page.add(Buffer.from('{"tags":["a"'))
    for (let i = 0; i < 11; i++) page.add(Buffer.from(',"a"'.repeat(100_000)))
    page.add(Buffer.from(']}'))
    assert.equal(page.end(), undefined)
  })
})
