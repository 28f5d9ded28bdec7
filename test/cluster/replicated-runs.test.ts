/** What the jobs of a run get on several replicas, whatever comes in between. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { replicatedRuns } from '../../src/cluster/index/replicated-runs.ts'
import type { SharedChoice, SharedRuns } from '../../src/cluster/index/shared-runs.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { isRegistryError, RegistryError } from '../../src/oci/errors.ts'
import type { Runs } from '../../src/ports/time.ts'
import { type OpenStore, storeFolder } from '../storage/setup.ts'

const a = { upstream: 'docker.io', name: 'library/a' }
const digest = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest

/** The database: the first one that chooses wins. It may be away before a statement, or after it. */
function database(now: () => number) {
  const rows = new Map<string, SharedChoice>()
  let trouble: 'none' | 'before' | 'after' = 'none'
  let asked = 0
  const statement = async <T>(run: () => T): Promise<T> => {
    asked += 1
    await Promise.resolve()
    if (trouble === 'before') throw new RegistryError('STORAGE', { reason: 'out' })
    const answer = run()
    await Promise.resolve()
    if (trouble === 'after') throw new RegistryError('STORAGE', { reason: 'ECONNRESET' })
    return answer
  }
  const shared: SharedRuns = {
    chosen: (run, _, tag) => statement(() => rows.get(`${run} ${tag}`)),
    choose: (run, client, { tag, digest, at }) =>
      statement(() => {
        const key = `${run} ${tag}`
        const found = rows.get(key) ?? { run, client, startedAt: now(), digest, at }
        rows.set(key, found)
        return found
      }),
    pulled: (run) => statement(() => [...rows.values()].find((row) => row.run === run)),
    record: () => statement(() => undefined),
    trim: async () => {},
  }
  return { shared, asked: () => asked, set: (next: typeof trouble) => void (trouble = next) }
}

type Step =
  | { readonly do: 'resolve'; readonly replica: number; readonly tag: string; readonly sees: number }
  | { readonly do: 'trouble'; readonly is: 'none' | 'before' | 'after' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('resolve'),
      replica: fc.nat(2),
      tag: fc.constantFrom('a', 'b'),
      sees: fc.nat(9),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('trouble'),
      is: fc.constantFrom('none', 'before', 'after'),
    }),
  },
) as fc.Arbitrary<Step>

test('two jobs of a run never get two digests of a tag; what a replica has told once it tells again', async () => {
  await using folders = new AsyncDisposableStack()
  const now = () => 1_000
  const stores: OpenStore[] = []
  for (let i = 0; i < 3; i++) {
    const folder = folders.use(await storeFolder())
    stores.push(folders.use(await folder.open({ now })))
  }
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async (steps) => {
      const { shared, set } = database(now)
      const run = `run-${++runs}`
      const replicas: readonly Runs[] = stores.map((store) => replicatedRuns(store.runs, shared))
      const got = new Map<string, Digest>()
      const told = new Set<string>()
      const running: Promise<void>[] = []
      const resolve = async (replica: number, tag: string, sees: number): Promise<void> => {
        const hasTold = told.has(`${replica} ${tag}`)
        try {
          const choice = { repository: a, tag, digest: digest(sees), at: now() }
          const found =
            (await replicas[replica]!.chosen(run, a, tag)) ??
            (await replicas[replica]!.choose(run, '', choice))
          assert.equal(found, got.get(tag) ?? found)
          got.set(tag, found as Digest)
          told.add(`${replica} ${tag}`)
        } catch (error) {
          // It says that it cannot tell. One that has told it can.
          if (!isRegistryError(error, 'STORAGE')) throw error
          assert.ok(!hasTold)
        }
      }
      for (const each of steps) {
        if (each.do === 'trouble') set(each.is)
        else running.push(resolve(each.replica, each.tag, each.sees))
        if (each.do === 'trouble' && each.is === 'none') await Promise.all(running)
      }
      await Promise.all(running)
      set('none')
      for (const replica of [0, 1, 2]) for (const tag of ['a', 'b']) await resolve(replica, tag, 8)
    }),
    { numRuns: 100 },
  )
})

test('a manifest that a job reads costs a statement once', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  const { shared, asked } = database(Date.now)
  const runs = replicatedRuns(store.runs, shared)
  await runs.choose('1', '', { repository: a, tag: 'a', digest: digest(1), at: Date.now() })
  assert.equal(await runs.chosen('1', a, 'a'), digest(1))
  for (let i = 0; i < 3; i++) await runs.pulled('1', a, digest(2))
  assert.equal(asked(), 2)
})
