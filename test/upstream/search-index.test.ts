import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../../src/oci/errors.ts'
import { searchIndex } from '../../src/upstream/search/search-index.ts'

test('SEC-72 four searches are sent at once, some wait, and more are told to come again', async () => {
  let sent = 0
  const search = searchIndex({
    upstream: 'up',
    url: new URL('http://up.example'),
    transport: () => {
      sent += 1
      return Promise.reject(new RegistryError('UPSTREAM_UNAVAILABLE'))
    },
    withTimeout: async (work) => {
      await gate.promise
      return work(new AbortController().signal)
    },
    now: () => 0,
  })
  const gate = Promise.withResolvers<void>()
  const all = Array.from({ length: 36 }, (_, i) => search({ term: `t${i}`, size: 25, page: 1 }))
  const ended = Promise.allSettled(all)
  await assert.rejects(search({ term: 'one more', size: 25, page: 1 }), { code: 'TOOMANYREQUESTS' })
  assert.equal(sent, 0)
  gate.resolve()
  await ended
  assert.ok(sent >= 4)
})
