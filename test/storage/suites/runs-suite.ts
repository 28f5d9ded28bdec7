import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import type { Runs } from '../../../src/ports/time.ts'

/** Opens runs that are kept for so many milliseconds. */
export type OpenRuns = (options: {
  readonly keep: () => number
  readonly now: () => number
}) => Promise<AsyncDisposable & { readonly runs: Runs }>

const APP = { upstream: 'docker.io', name: 'library/app' }
const WEB = { upstream: 'docker.io', name: 'library/web' }
const digest = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest

/** The runs of CI systems. Every index passes it. */
export function runsSuite(name: string, open: OpenRuns): void {
  async function runs(keep = 1_000) {
    let now = 10_000
    const opened = await open({ keep: () => keep, now: () => now })
    return {
      ...opened.runs,
      choose: (run: string, tag: string, i: number, client = 'ci', repository = APP) =>
        opened.runs.choose(run, client, { repository, tag, digest: digest(i), at: now }),
      wait: (milliseconds: number) => void (now += milliseconds),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    }
  }

  suite(`${name}: runs`, () => {
    test('what a run chose first stays, of each tag of each repository, and of no other run', async () => {
      await using log = await runs()
      assert.equal(await log.chosen('1', APP, 'a'), undefined)
      assert.equal(await log.choose('1', 'a', 1), digest(1))
      assert.equal(await log.choose('1', 'a', 2), digest(1))
      assert.equal(await log.choose('1', 'b', 3), digest(3))
      assert.equal(await log.choose('1', 'a', 4, 'ci', WEB), digest(4))
      assert.equal(await log.choose('2', 'a', 2), digest(2))
      await log.pulled('1', APP, digest(7))
      await log.pulled('1', APP, digest(7))
      await log.pulled('3', APP, digest(7))
      assert.equal(await log.record('3'), undefined)
      const { tags } = (await log.record('1'))!
      assert.deepEqual(
        tags.map(({ repository, tag, digest, manifests }) => [repository.name, tag, digest, manifests]),
        [
          ['library/app', 'a', digest(1), [digest(7)]],
          ['library/app', 'b', digest(3), [digest(7)]],
          ['library/web', 'a', digest(4), []],
        ],
      )
    })

    test('a run that is too old is forgotten, and begins anew', async () => {
      await using log = await runs()
      await log.choose('1', 'a', 1)
      log.wait(999)
      assert.equal(await log.choose('1', 'a', 2), digest(1))
      log.wait(2)
      assert.equal(await log.chosen('1', APP, 'a'), undefined)
      assert.equal(await log.record('1'), undefined)
      assert.equal(await log.choose('1', 'a', 2), digest(2))
      assert.equal((await log.record('1'))?.tags.length, 1)
    })

    test('who begins too many runs loses its own oldest, and nobody else does', async () => {
      await using log = await runs(1_000_000)
      await log.choose('mine', 'a', 1, 'me')
      for (let i = 0; i < 10_050; i += 10) {
        const ten = Array.from({ length: 10 }, (_, j) => log.choose(`other-${i + j}`, 'a', 2, 'other'))
        await Promise.all(ten)
        log.wait(1)
      }
      assert.equal(await log.chosen('mine', APP, 'a'), digest(1))
      // Replicas do not count after each choice.
      assert.equal(await log.chosen('other-29', APP, 'a'), undefined)
      assert.equal(await log.chosen('other-60', APP, 'a'), digest(2))
      assert.equal(await log.chosen('other-10049', APP, 'a'), digest(2))
    })

    test('a run has at most 2,000 tags and manifests', async () => {
      await using log = await runs()
      for (let i = 0; i < 2_000; i += 10) {
        const ten = Array.from({ length: 10 }, (_, j) => log.choose('1', `t${i + j}`, i + j))
        assert.deepEqual(
          await Promise.all(ten),
          Array.from({ length: 10 }, (_, j) => digest(i + j)),
        )
      }
      assert.equal(await log.choose('1', 'more', 1), 'full')
      assert.equal(await log.choose('1', 't7', 1), digest(7))
      await log.pulled('1', APP, digest(9))
      assert.deepEqual((await log.record('1'))?.tags[0]?.manifests, [])
    })

    test('of twenty jobs that resolve a tag at once, all get what one of them chose', async () => {
      await using log = await runs()
      for (const run of ['1', '2', '3']) {
        const all = await Promise.all(Array.from({ length: 20 }, (_, i) => log.choose(run, 'a', i)))
        assert.equal(new Set(all).size, 1)
        assert.equal(await log.chosen(run, APP, 'a'), all[0])
      }
    })
  })
}
