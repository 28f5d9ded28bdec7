/** Which digest of a tag a cool-down serves, against a model that lives through the same moves minute by minute. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import type { TagChange } from '../../src/ports/metadata.ts'
import { settledDigest } from '../../src/time/settled.ts'
import { seededRandom } from '../support/seeded-random.ts'

const digest = (name: string) => `sha256:${name.repeat(64)}` as Digest
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(digest) as [Digest, Digest, Digest, Digest]
const NOBODY: ReadonlySet<Digest> = new Set()

/** Oldest first, as they were seen. */
function at(now: number, moves: readonly (readonly [number, Digest])[], trusted = NOBODY) {
  const history = moves.map(([at, digest]) => ({ at, digest })).toReversed()
  return settledDigest(history, { wait: 10, trusted, now })
}

test('the first sight of a tag is settled, a new digest once it was seen long enough', () => {
  assert.equal(at(5, []), undefined)
  assert.deepEqual(at(5, [[5, A]]), { digest: A, until: Infinity })
  const moved = [
    [0, A],
    [5, B],
  ] as const
  assert.deepEqual(at(14, moved), { digest: A, until: 15 })
  assert.deepEqual(at(15, moved), { digest: B, until: Infinity })
  assert.deepEqual(at(6, moved, new Set([B])), { digest: B, until: Infinity })
})

test('a digest that was withdrawn too soon waits anew, and one that was served comes back at once', () => {
  const again = [
    [0, A],
    [20, B],
    [25, A],
    [100, B],
  ] as const
  assert.equal(at(26, again.slice(0, 3))?.digest, A)
  assert.deepEqual(at(109, again), { digest: A, until: 110 })
  assert.equal(at(110, again)?.digest, B)
})

test('a clock that was set back settles nothing', () => {
  assert.equal(at(0, [[0, A], [50, B]])?.digest, A) // prettier-ignore
})

test('whatever a tag does, what is served was seen, and was settled or the first', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = seededRandom(seed)
    const wait = 1 + random.below(30)
    const trusted = new Set(random.below(4) === 0 ? [D] : [])
    const history: TagChange[] = []
    const settled = new Set<Digest>(trusted)
    let since = 0
    for (let now = 0; now < 200; now += 1) {
      if (history.length > 0 && now - since >= wait) settled.add(history[0]!.digest)
      const moves = history.length === 0 || random.below(12) === 0
      const next = moves ? random.pick([A, B, C, D]) : history[0]!.digest
      if (next !== history[0]?.digest) {
        history.unshift({ at: now, digest: next })
        since = now
        if (history.length === 1) settled.add(next)
      }
      const expected = history.find((change) => settled.has(change.digest))!.digest
      const found = settledDigest(history, { wait, trusted, now })!
      assert.equal(found.digest, expected, `seed ${seed}, minute ${now}`)
      // A decision may be kept until then, while the tag does not move.
      const later = Math.min(found.until - 1, 1_000_000)
      assert.equal(settledDigest(history, { wait, trusted, now: later })!.digest === expected, true)
    }
  }
})
