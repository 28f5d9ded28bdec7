/** Pins that are changed while what the database has is taken over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replicatedLists } from '../../src/cluster/index/replicated-lists.ts'
import type { SharedLists } from '../../src/cluster/index/shared-lists.ts'
import type { TrustedDigest } from '../../src/ports/time.ts'
import { blobOf } from '../support/fixtures.ts'
import { pattern } from '../storage/images.ts'
import { storeFolder } from '../storage/setup.ts'

const repository = { upstream: 'docker.io', name: 'org/a' }
const { digest } = blobOf(10)

test('a list that was read before a change does not undo it', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  const pins = new Map<string, number>()
  let trusted: readonly TrustedDigest[] = []
  let held: PromiseWithResolvers<void> | undefined
  const reached = Promise.withResolvers<void>()
  const shared: SharedLists = {
    identity: async () => 'one',
    pins: {
      async list() {
        const read = [...pins].map(([text, addedAt]) => ({ pattern: text, addedAt }))
        reached.resolve()
        await held?.promise
        return read
      },
      async add(...added) {
        for (const { pattern: text, addedAt } of added) pins.set(text, addedAt)
        return true
      },
      remove: async (text) => pins.delete(text),
    },
    trusted: {
      list: async () => trusted,
      async add(...added) {
        trusted = [...trusted, ...added]
        return 'added'
      },
      async remove() {
        trusted = []
        return true
      },
    },
  }
  const lists = replicatedLists({
    local: store,
    shared,
    joined: { read: async () => 'one', write: async () => {} },
    changed() {},
    now: () => 5,
  })
  await lists.pins.add(pattern('org/old'))
  held = Promise.withResolvers()
  const synchronised = lists.synchronise()
  await reached.promise
  const changes = [
    lists.pins.add(pattern('org/new')),
    lists.pins.remove(pattern('org/old')),
    lists.trusted.add({ repository, digest, addedAt: 5 }),
  ]
  // Those that do not wait are done by then.
  for (let turn = 0; turn < 50; turn++) await store.pins.list()
  held.resolve()
  await synchronised
  await Promise.all(changes)
  const names = (await lists.pins.list()).map(({ pattern: text }) => text)
  assert.deepEqual(names, ['docker.io/org/new'])
  assert.deepEqual([...(await lists.trusted.of(repository))], [digest])
})
