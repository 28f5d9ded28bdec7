import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRegistryError } from '../../src/oci/errors.ts'
import type { TagList } from '../../src/oci/tag-list.ts'
import type { UpstreamRepository } from '../../src/ports/upstream.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { json } from '../support/fake-upstream/registry.ts'
import { eventually } from '../support/fixtures.ts'
import { longestTurnOf } from '../support/longest-turn.ts'
import { assertFails, connectTo } from './setup.ts'

const LIST = '/v2/app/tags/list'

/** Answers page after page, each named by what follows `?`. */
function serve(
  upstream: FakeUpstream,
  pages: Record<string, { tags: unknown; link?: string; next?: string }>,
): void {
  for (const [query, { tags, link, next }] of Object.entries(pages)) {
    const { body } = json({ name: 'app', tags, ...(next !== undefined && { next }) })
    const escaped = query.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    upstream.on(new RegExp(`^${LIST}${escaped}$`), {
      status: 200,
      body,
      headers: {
        'Content-Type': 'application/json',
        ...(link !== undefined && { Link: `<${link}>; rel="next"` }),
      },
      times: Infinity,
    })
  }
}

async function whole({ tags }: UpstreamRepository): Promise<readonly string[]> {
  const list = await tags.whole()
  assert.ok(list !== undefined && list !== 'too long')
  return (list satisfies TagList).tags
}

test('a list in one piece costs one request', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  serve(upstream, { '': { tags: ['c', 'a', 'b', 'a'] } })
  assert.deepEqual(await whole(client.repository()), ['a', 'b', 'c'])
  assert.equal(await client.repository('missing').tags.whole(), undefined)
  assert.deepEqual(
    upstream.requests.map(({ target }) => target),
    [LIST, '/v2/missing/tags/list'],
  )
})

test('a repository without tags has a list of none', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  serve(upstream, { '': { tags: null } })
  assert.deepEqual(await whole(client.repository()), [])
})

test('a list is left out where there are no tags, and may begin with a byte order mark; errors are no list', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  const answer = (body: string) =>
    upstream.on(LIST, { status: 200, body, headers: { 'Content-Type': 'application/json' } })
  for (const [body, tags] of [
    ['{"name":"app"}', []],
    ['\uFEFF{"name":"app","tags":null}', []],
    ['\uFEFF{"name":"app","tags":["b","a"]}', ['a', 'b']],
  ] as const) {
    answer(body)
    assert.deepEqual(await whole(client.repository()), tags, body)
  }
  for (const body of ['{}', '{"tags":{}}', '{"name":1}', '{"name":"app","errors":[]}', '\uFEFF']) {
    answer(body)
    await assertFails(client.repository().tags.whole(), 'UPSTREAM_INVALID')
  }
})

test('FR-02 the cursor of the upstream is followed as it stands, in Link or in the body, and every page is asked once', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  serve(upstream, {
    '': { tags: ['d'], link: `${LIST}?next_page=a%2Fb%3D&n=1` },
    '?next_page=a%2Fb%3D&n=1000': {
      tags: ['b', 'a'],
      next: 'http://elsewhere.example/v2/x/tags/list?page=3',
    },
    '?page=3&n=1000': { tags: ['c'] },
  })
  assert.deepEqual(await whole(client.repository()), ['a', 'b', 'c', 'd'])
  assert.equal(upstream.requests.length, 3)
})

test('FR-02 a list that breaks off, leads back to itself or is none is an error, and never a shorter list', async (t) => {
  const lists = {
    'a page that is not there': { link: '?last=gone', more: { status: 404 } },
    'a page that leads back': {
      link: '?last=a&n=1000',
      more: { headers: { Link: '<?last=a&n=1000>; rel="next"' } },
    },
    'a link to nothing': { link: 'http://[', more: {} },
    'a page of HTML': { link: '?last=a', more: { body: '<html>' } },
    'a page without tags': { link: '?last=a', more: { body: '{}' } },
  }
  for (const [what, { link, more }] of Object.entries(lists)) {
    await t.test(what, async () => {
      await using upstream = await fakeUpstream()
      await using client = connectTo(upstream.url)
      serve(upstream, { '': { tags: ['a'], link } })
      upstream.on(/last=/, { status: 200, body: '{"tags":["b"]}', ...more, times: Infinity })
      await assertFails(client.repository().tags.whole(), 'UPSTREAM_INVALID', { reason: /tag list/ })
    })
  }
})

test('FR-03 a page size that is refused is halved until it is not, and remembered for the upstream', async (t) => {
  for (const status of [400, 405, 413, 422]) {
    await t.test(`${status}`, async () => {
      await using upstream = await fakeUpstream()
      await using client = connectTo(upstream.url)
      upstream.on(/n=(?:1000|500|250)$/, { status, times: Infinity })
      serve(upstream, {
        '': { tags: ['a'], link: '?last=a' },
        '?last=a&n=100': { tags: ['b'], link: '?last=b' },
        '?last=b&n=100': { tags: ['c'] },
      })
      assert.deepEqual(await whole(client.repository()), ['a', 'b', 'c'])
      const asked = upstream.requests.length
      assert.equal(asked, 6)
      assert.deepEqual(await whole(client.repository()), ['a', 'b', 'c'])
      assert.equal(upstream.requests.length - asked, 3)
    })
  }
})

test('FR-03 where every size is refused the page is asked for as it is named', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  upstream.on(/n=/, { status: 400, times: Infinity })
  serve(upstream, { '': { tags: ['a'], link: '?last=a' }, '?last=a': { tags: ['b'] } })
  assert.deepEqual(await whole(client.repository()), ['a', 'b'])
})

test('a cursor that is refused whatever the size fails the list, and teaches nothing', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  serve(upstream, { '': { tags: ['a'], link: '?last=a' } })
  upstream.on(/last=a/, { status: 400, times: 5 })
  await assertFails(client.repository().tags.whole(), 'UPSTREAM_INVALID', { status: 400 })
  serve(upstream, { '?last=a&n=1000': { tags: ['b'] } })
  assert.deepEqual(await whole(client.repository()), ['a', 'b'])
})

test('SEC-71 a list without end is given up as too long, within its bounds', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  const tags = Array.from({ length: 9000 }, (_, i) => `${i}`.padStart(120, '0'))
  for (let page = 0; page < 40; page++) {
    const { body } = json({ name: 'app', tags })
    upstream.on(/tags/, { status: 200, body, headers: { Link: `<?page=${page}>; rel="next"` } })
  }
  assert.equal(await client.repository().tags.whole(), 'too long')
  assert.equal(upstream.requests.length, 16)
})

test('SEC-71 more long lists at once than there is memory for are refused, and room is given back', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url, { timeouts: { headers: 60_000 } })
  const longTags = Array.from({ length: 80_000 }, (_, i) => `${i}`.padStart(6, '0').padEnd(100, 'x'))
  const { body } = json({ name: 'app', tags: longTags })
  const { promise: all, resolve: send } = Promise.withResolvers<void>()
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const script = { status: 200, body, headers: { 'Content-Type': 'application/json' } }
  // The end of each is held back until the others have come as far.
  upstream.on(/tags/, { ...script, atByte: { k: body.length - 10, then: all }, times: names.length })
  const asking = names.map((name) => client.repository(name).tags.whole())
  const refused: unknown[] = []
  for (const one of asking) one.catch((error: unknown) => refused.push(error))
  await eventually(() => refused.length === 2, 20_000)
  send()
  const settled = await Promise.allSettled(asking)
  assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 4)
  assert.ok(refused.every((error) => isRegistryError(error, 'TOOMANYREQUESTS')))
  upstream.on(/tags/, { ...script, times: names.length })
  for (const name of names) assert.ok(await client.repository(name).tags.whole())
})

test('a page of a list that is too long is passed on, with where the upstream goes on', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  const { tags } = client.repository()
  serve(upstream, {
    '?n=2': { tags: ['b', 'a'], link: `${LIST}?next_page=x%3D&n=2` },
    '?next_page=x%3D&n=2': { tags: ['c'] },
    '?last=b&n=2': { tags: ['c'] },
  })
  assert.deepEqual(await tags.page({ n: 2 }), {
    tags: Buffer.from('"a","b"'),
    next: { n: 2, cursor: 'next_page=x%3D&n=2' },
  })
  assert.deepEqual(await tags.page({ n: 2, cursor: 'next_page=x%3D&n=2' }), { tags: Buffer.from('"c"') })
  assert.deepEqual(await tags.page({ n: 2, last: 'b' }), { tags: Buffer.from('"c"') })
})

test('SEC-73 a list of 12 MB is read and sorted while everybody else goes on', async () => {
  await using upstream = await fakeUpstream()
  let collections = 0
  await using client = connectTo(upstream.url, {
    timeouts: { headers: 60_000 },
    collectGarbage: () => void (collections += 1),
  })
  const tags = Array.from({ length: 900_000 }, (_, i) => `v${((i * 7919) % 900_000) + 1_000_000}-x`)
  const { body } = json({ name: 'app', tags })
  upstream.on(/tags/, { status: 200, body, headers: { 'Content-Type': 'application/json' } })
  let list: Awaited<ReturnType<UpstreamRepository['tags']['whole']>>
  const milliseconds = await longestTurnOf(async () => (list = await client.repository().tags.whole()))
  assert.ok(list !== undefined && list !== 'too long')
  assert.deepEqual([list.first, list.last], ['v1000000-x', 'v1899999-x'])
  assert.ok(milliseconds < 50, `${milliseconds} ms of CPU in one turn`)
  assert.equal(collections, 2, 'of the young generation, each 4 MiB')
})
