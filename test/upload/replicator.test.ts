import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cron } from '../../src/compose/cron.ts'
import { parseImagePattern } from '../../src/oci/image-pattern.ts'
import type { Push, PushedImage, PushReport } from '../../src/ports/moving/push.ts'
import { Replicator } from '../../src/upload/replicate/replicator.ts'
import { WaitingImages } from '../../src/upload/replicate/waiting-images.ts'
import { eventually } from '../support/fixtures.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

/** Runs a rule whose pushes end as `outcome` says. */
function rig(
  outcome: (image: string) => PushedImage['state'] | Error,
  {
    schedule,
    heldUntil = () => undefined,
    now = Date.now,
  }: {
    readonly schedule?: string
    readonly heldUntil?: (image: string) => number | undefined
    readonly now?: () => number
  } = {},
) {
  const pushes: string[][] = []
  const failures: string[] = []
  const push: Push = async ({ images }, { put }) => {
    const names = images.map(({ text }) => text)
    pushes.push(names)
    let failed = 0
    for (const name of names.filter((text) => !text.includes('*'))) {
      const state = outcome(name)
      if (state instanceof Error) throw state
      if (state === 'failed') failed += 1
      const until = heldUntil(name)
      const held = until === undefined ? {} : { heldUntil: new Date(until).toISOString() }
      const image = { image: name, digest: DIGEST, to: '', size: 0, state, ...held }
      put(name, { step: 'images', images: [image] })
    }
    const nothing = { unchanged: 0, notTried: 0, sent: 0, mounted: 0, seconds: 0 }
    return { images: names.length, pushed: names.length - failed, failed, ...nothing } satisfies PushReport
  }
  const replicator = new Replicator(
    {
      name: 'rule',
      images: [parseImagePattern('org/*')!],
      schedule,
      request: async () => ({
        to: { url: 'http://127.0.0.1', path: '' },
        platforms: [],
        referrers: false,
        withUpstream: false,
      }),
    },
    {
      schedule: cron,
      push,
      jobs: {
        run: (_, task) => task({ id: '1', signal: new AbortController().signal, say() {} }),
      },
      failed: (_, problem) => failures.push(String(problem)),
      now,
      settle: 5,
      retryDelay: 10,
    },
  )
  const stored = (image: string) => replicator.stored(image, DIGEST)
  return { replicator, pushes, failures, stored }
}

test('a rule for stored images pushes all at the start, then each that it names, once', async () => {
  const { replicator, pushes, stored } = rig(() => 'pushed')
  await using _ = replicator
  await eventually(() => pushes.length === 1)
  assert.deepEqual(pushes[0], ['docker.io/org/*'])
  for (const image of ['docker.io/org/app:1', 'docker.io/org/app:1', 'docker.io/other/app:1', 'not an image'])
    stored(image)
  await eventually(() => pushes.length === 2)
  assert.deepEqual(pushes[1], ['docker.io/org/app:1'])
})

test("an image that fails is tried again later and later, and in nobody's way", async () => {
  const { replicator, pushes, failures, stored } = rig((image) =>
    image.endsWith(':bad') ? 'failed' : 'pushed',
  )
  await using _ = replicator
  await eventually(() => pushes.length === 1)
  stored('docker.io/org/app:bad')
  await eventually(() => pushes.flat().includes('docker.io/org/app:bad'))
  stored('docker.io/org/app:good')
  await eventually(() => pushes.flat().includes('docker.io/org/app:good'))
  assert.equal(failures.length, 0)
  await eventually(() => failures.length === 1, 20_000)
  assert.match(failures[0]!, /docker\.io\/org\/app:bad is given up/)
  const tries = pushes.flat().filter((image) => image.endsWith(':bad'))
  assert.equal(tries.length, 8)
})

test('a push that fails as a whole is told, and tried again', async () => {
  let isRefused = true
  const { replicator, pushes, failures, stored } = rig(() =>
    isRefused ? new Error('no password') : 'pushed',
  )
  await using _ = replicator
  await eventually(() => pushes.length === 1)
  stored('docker.io/org/app:1')
  await eventually(() => failures.length >= 1)
  assert.match(failures[0]!, /no password/)
  isRefused = false
  const before = pushes.length
  await eventually(() => pushes.length > before)
})

test('a rule with a schedule does not look at what is stored', async () => {
  const { replicator, pushes, stored } = rig(() => 'pushed', { schedule: '0 0 1 1 *' })
  stored('docker.io/org/app:1')
  await replicator[Symbol.asyncDispose]()
  assert.deepEqual(pushes, [])
})

test('what a cool-down holds back is pushed once more when it ends, and sooner when it is released', async () => {
  let time = Date.parse('2026-11-27T10:00:00Z')
  const ends = new Map([
    ['docker.io/org/app:1', time + 3_600_000],
    ['docker.io/org/app:2', time + 3_600_000],
  ])
  const heldUntil = (image: string) => (time < (ends.get(image) ?? 0) ? ends.get(image) : undefined)
  const { replicator, pushes, stored } = rig(() => 'pushed', { heldUntil, now: () => time })
  await using _ = replicator
  const count = (image: string) => pushes.flat().filter((name) => name === image).length
  await eventually(() => pushes.length === 1)
  for (const image of ends.keys()) stored(image)
  await eventually(() => [...ends.keys()].every((image) => count(image) === 1))
  // Trusted: pushed at once, while the other one is held on.
  ends.delete('docker.io/org/app:1')
  replicator.released()
  await eventually(() => count('docker.io/org/app:1') === 2 && count('docker.io/org/app:2') === 2)
  time += 3_600_000 - 1
  stored('docker.io/org/app:3')
  await eventually(() => count('docker.io/org/app:3') === 1)
  assert.equal(count('docker.io/org/app:2'), 2)
  time += 1
  await eventually(() => count('docker.io/org/app:2') === 3)
  stored('docker.io/org/app:4')
  await eventually(() => count('docker.io/org/app:4') === 1)
  assert.deepEqual([count('docker.io/org/app:1'), count('docker.io/org/app:2')], [2, 3])
})

test('the images that wait are bounded, and each waits once', () => {
  const waiting = new WaitingImages(2, 'all')
  waiting.add('a', { failures: 0, dueAt: 5 })
  waiting.add('b', { failures: 1, dueAt: 9 })
  waiting.add('c', { failures: 0, dueAt: 3 })
  waiting.add('d', { failures: 0, dueAt: 4 })
  waiting.add('b', { failures: 0, dueAt: 20 })
  assert.equal(waiting.nextAt, 3)
  assert.deepEqual(waiting.take(4, 10), new Map([['all', 0]]))
  assert.deepEqual(waiting.take(7, 10), new Map([['a', 0]]))
  assert.deepEqual(waiting.take(9, 10), new Map([['b', 0]]))
  assert.equal(waiting.nextAt, undefined)
})
