import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type DestinationRequest, fakeDestination } from '../support/fake-destination.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { uploadRig } from './setup.ts'

const KiB = 1024

/** Two repositories want the same blob, one wants another. Each stands for one upload. */
const REPOSITORIES = ['site/one', 'site/two', 'other/three'] as const

const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ does: fc.constant('join' as const), repository: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('leave' as const), job: fc.nat(7) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('let pass' as const),
      requests: fc.integer({ min: 1, max: 3 }),
    }),
  },
)

interface Job {
  readonly repository: number
  readonly leaving: AbortController
  readonly outcome: Promise<string>
  isOver: boolean
}

test('an upload goes on as long as a job wants it, and ends with the last one that leaves', async (t) => {
  let seed = 0
  let ends = 0
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 2, maxLength: 14 }), fc.boolean(), async (acts, canMount) => {
      const blobs = [blobOf(150 * KiB, ++seed), blobOf(150 * KiB, ++seed)]
      const blobOfRepository = (repository: number) => blobs[repository === 2 ? 1 : 0]!
      const held: (() => void)[] = []
      let isOpen = false
      const hold = () => (isOpen ? undefined : new Promise<void>((resolve) => held.push(resolve)))
      await using there = await fakeDestination({ mount: canMount ? 'mounts' : 'session', hold })
      await using rig = uploadRig(there.url, { policy: { chunk: 64 * KiB, retryDelay: 1 } })
      const jobs: Job[] = []
      /** What a repository was asked when the last of its jobs left, and none has come since. */
      const left = new Map<number, number>()

      const join = (repository: number) => {
        const leaving = new AbortController()
        const job: Job = {
          repository,
          leaving,
          isOver: false,
          outcome: rig
            .upload(blobOfRepository(repository), REPOSITORIES[repository]!, leaving.signal)
            .catch((error: unknown) => {
              if (error !== leaving.signal.reason) throw error
              return 'left'
            })
            .finally(() => (job.isOver = true)),
        }
        jobs.push(job)
        left.delete(repository)
      }
      const leave = async (job: Job) => {
        if (job.isOver) return
        job.leaving.abort(new Error('left'))
        assert.equal(await job.outcome, 'left')
        const { repository } = job
        if (jobs.some((other) => other.repository === repository && !other.isOver)) return
        left.set(repository, there.requests.length)
        ends += 1
      }
      for (const one of acts) {
        if (one.does === 'join') join(one.repository)
        else if (one.does === 'let pass') {
          for (let i = 0; i < one.requests; i++) {
            // Nothing may be on its way.
            await eventually(() => held.length > 0, 5).catch(() => {})
            held.shift()?.()
          }
        } else if (jobs.length > 0) await leave(jobs[one.job % jobs.length]!)
      }
      isOpen = true
      for (const pass of held) pass()
      const outcomes = await Promise.all(jobs.map(({ outcome }) => outcome))
      for (const [i, { repository, leaving }] of jobs.entries()) {
        if (leaving.signal.aborted) continue
        assert.notEqual(outcomes[i], 'left')
        const { digest, bytes } = blobOfRepository(repository)
        assert.ok(there.blobs.get(REPOSITORIES[repository]!)?.get(digest)?.equals(bytes))
      }
      await eventually(() => rig.manager.list().length === 0)
      await eventually(() => there.sessions.size === 0)
      for (const [repository, from] of left) {
        const later = there.requests
          .slice(from)
          .filter((request) => isWork(request, REPOSITORIES[repository]!))
        // One may have been on its way.
        assert.ok(later.length <= 1, later.map(({ step }) => step).join())
      }
    }),
    { numRuns: 100, endOnFailure: true },
  )
  assert.ok(ends >= 20, `${ends}`)
  t.diagnostic(`${ends} uploads were left by their last job`)
})

function isWork({ step, repository }: DestinationRequest, wanted: string): boolean {
  return repository === wanted && step !== 'abandon'
}

test('two jobs share the upload of a layer: one leaves and it goes on, both leave and it ends', async () => {
  const gate = Promise.withResolvers<void>()
  await using there = await fakeDestination({
    hold: ({ step }) => (step === 'append' ? gate.promise : undefined),
  })
  await using rig = uploadRig(there.url, { policy: { chunk: 64 * KiB } })
  const blob = blobOf(300 * KiB)
  const [one, two] = [new AbortController(), new AbortController()]
  const first = rig.upload(blob, 'app', one.signal)
  const second = rig.upload(blob, 'app', two.signal)
  await eventually(() => there.count('append') === 1)
  assert.equal(rig.manager.list().length, 1)
  one.abort(new Error('cancelled'))
  await assert.rejects(first, /cancelled/)
  assert.equal(rig.manager.list().length, 1)
  two.abort(new Error('cancelled too'))
  await assert.rejects(second, /cancelled too/)
  gate.resolve()
  await eventually(() => rig.manager.list().length === 0)
  assert.equal(there.count('append'), 1)
  assert.equal(there.count('abandon'), 1)
  // Whoever wants it now gets an upload of its own.
  assert.equal(await rig.upload(blob, 'app'), 'sent')
})
