import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { digestOf } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { modelReplica, type ModelReplica, worldOf } from './replica-model.ts'

const REPLICAS = 3
const { digest } = blobOf(120_000)

type Step =
  | { readonly do: 'pull'; readonly replica: number; readonly repository: 'a' | 'b' }
  | { readonly do: 'die' | 'restart' | 'evict' | 'partition' | 'lie'; readonly replica: number }
  | { readonly do: 'expire' | 'database' | 'remote' | 'sweep' }
  | { readonly do: 'break'; readonly after: number }
  | { readonly do: 'wait'; readonly milliseconds: number }

const replica = fc.nat(REPLICAS - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('pull'), replica, repository: fc.constantFrom('a', 'b') }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('die', 'restart', 'evict', 'partition', 'lie'),
      replica,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('expire', 'database', 'remote', 'sweep') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break'), after: fc.nat(120_000) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait'), milliseconds: fc.integer({ min: 1, max: 25 }) }),
  },
) as fc.Arbitrary<Step>

test('whatever comes in between: no wrong byte, one object at most, and every pull of a live replica ends', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      const world = worldOf(blobOf(120_000))
      const replicas: ModelReplica[] = []
      const ended: ModelReplica[] = []
      const start = (id: number) => void (replicas[id] = modelReplica(world, id, () => replicas))
      for (let id = 0; id < REPLICAS; id++) start(id)
      const pulls: Promise<void>[] = []
      const pull = async (of: ModelReplica, repository: string): Promise<void> => {
        try {
          const bytes = await of.pull(repository)
          assert.equal(bytes && digestOf(bytes), digest)
        } catch (error) {
          // Upstream broke off too often, or the client's replica died: the client tries again, as below.
          if (!isRegistryError(error)) throw error
        }
      }
      try {
        for (const each of steps) {
          if (each.do === 'pull') pulls.push(pull(replicas[each.replica]!, each.repository))
          else if (each.do === 'die') replicas[each.replica]!.die()
          else if (each.do === 'restart') {
            replicas[each.replica]!.die()
            ended.push(replicas[each.replica]!)
            start(each.replica)
          } else if (each.do === 'evict') await replicas[each.replica]!.evict()
          else if (each.do === 'partition') toggle(world.partitioned, each.replica)
          else if (each.do === 'lie') toggle(world.lying, each.replica)
          else if (each.do === 'sweep') world.objects.clear()
          else if (each.do === 'wait') await sleep(each.milliseconds)
          else if (each.do === 'break') world.breaks.push(each.after)
          else if (each.do === 'expire') for (const row of world.leases.values()) row.expiresAt = 0
          else if (each.do === 'database') world.isDatabaseAway = !world.isDatabaseAway
          else world.isRemoteAway = !world.isRemoteAway
        }
        world.breaks.length = 0
        world.lying.clear()
        // Progress: whatever happened, who lives gets it now.
        const living = replicas.filter(({ isDead }) => !isDead)
        await Promise.all(
          living.map(async (each) => {
            const giveUpAt = performance.now() + 15_000
            for (;;) {
              try {
                const bytes = await each.pull('a')
                assert.equal(bytes && digestOf(bytes), digest)
                return
              } catch (error) {
                // What a lying one has sent may still be on its way.
                if (!isRegistryError(error) || performance.now() > giveUpAt) throw error
                await sleep(10)
              }
            }
          }),
        )
        await Promise.all(pulls)
        // Who is done holds nobody up: but for the dead, no lease stays.
        if (!world.isDatabaseAway) await eventually(() => !living.some(({ holds }) => holds()))
        for (const [key, bytes] of world.objects) assert.equal(digestOf(bytes), key)
        assert.ok(world.objects.size <= 1)
      } finally {
        await Promise.all([...replicas, ...ended].map((each) => each.close()))
      }
    }),
    { numRuns: 80, endOnFailure: true, timeout: 30_000 },
  )
})

function toggle(set: Set<number>, member: number): void {
  if (!set.delete(member)) set.add(member)
}

test('ten replicas that pull at once read upstream once', async () => {
  const world = worldOf(blobOf(120_000))
  const replicas: ModelReplica[] = []
  for (let id = 0; id < 10; id++) replicas.push(modelReplica(world, id, () => replicas))
  const got = await Promise.all(replicas.map((each) => each.pull('a')))
  for (const bytes of got) assert.equal(bytes && digestOf(bytes), digest)
  assert.equal(world.upstreamBytes, 120_000)
  assert.equal(world.puts, 1)
  await Promise.all(replicas.map((each) => each.close()))
})
