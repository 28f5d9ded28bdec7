/** FR-33: what the store makes of a clock that was set, while it was open or closed. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { blobOf, eventually } from '../support/fixtures.ts'
import { type OpenStore, put, storeFolder } from './setup.ts'

const DAY = 86_400_000
const [old, recent] = [blobOf(1000, 1), blobOf(70_000, 2)]
const repository = { upstream: 'docker.io', name: 'library/a' }

/** Whether anything would expire that was not used for so long. */
async function expires(store: OpenStore, now: number, ttl: number): Promise<boolean> {
  const options = { limit: 9, except: new Set<never>() }
  const byUse = await store.inventory.olderThan(now - ttl, 'use', options)
  const byFetch = await store.inventory.olderThan(now - ttl, 'fetch', options)
  return byUse.length + byFetch.length > 0
}

suite('FR-33: content does not expire because the clock was set', () => {
  for (const [what, ahead] of [
    ['the clock of the process was ten days behind, and is right at the next start', 0],
    ['the machine slept for ten days, and the process ended before it followed the clock', 10 * DAY],
  ] as const) {
    test(what, async () => {
      await using folder = await storeFolder()
      const real = Date.now()
      const behind = () => Date.now() - 10 * DAY
      {
        await using store = await folder.open({ now: behind, wall: () => behind() + ahead })
        await put(store, old)
        await store.tags.set(repository, 'latest', { digest: old.digest, checkedAt: 1 })
      }
      await using store = await folder.open({ now: Date.now, wall: Date.now })
      await eventually(async () => !(await expires(store, real, DAY)))
      assert.equal(await store.tags.removeUnusedSince(real - DAY), 0)
    })
  }

  test('the clock is set while it is open: what was used before moves along, what is used later stays', async () => {
    await using folder = await storeFolder()
    let step = 0
    const now = () => Date.now() + step
    await using store = await folder.open({ now, wall: now })
    await put(store, old)
    step = 30 * DAY
    await put(store, recent)
    assert.equal(await expires(store, now(), 7 * DAY), true)
    await store.clockStepped(30 * DAY)
    assert.equal(await expires(store, now(), 7 * DAY), false)
    const used = await store.inventory.longestUnused({ limit: 9, except: new Set() })
    assert.ok(used.every(({ lastUsed }) => lastUsed <= now()))
  })

  test('a clock that was ahead, and is set back: nothing is of the future', async () => {
    await using folder = await storeFolder()
    let step = 30 * DAY
    const now = () => Date.now() + step
    await using store = await folder.open({ now, wall: now })
    await put(store, old)
    step = 0
    await store.clockStepped(-30 * DAY)
    const [content] = await store.inventory.longestUnused({ limit: 9, except: new Set() })
    assert.ok(content!.lastUsed <= now())
  })

  test('time in which the process did not run counts', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open({ now: Date.now, wall: Date.now })
      await put(store, old)
    }
    await using store = await folder.open({ now: Date.now, wall: Date.now })
    await store.clockStepped(0)
    assert.equal(await expires(store, Date.now() + 8 * DAY, 7 * DAY), true)
  })
})
