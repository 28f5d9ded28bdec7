import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import type { ImagePattern } from '../../../src/oci/image-pattern.ts'
import type { PinList } from '../../../src/ports/operations.ts'
import type { TrustedDigests } from '../../../src/ports/time.ts'
import { pattern } from '../images.ts'

export interface Lists extends AsyncDisposable {
  readonly pins: PinList
  readonly trusted: TrustedDigests
  /** Ends the process, and begins another one. */
  restart(): Promise<void>
}

/** Opens empty lists. */
export type OpenLists = (options: {
  readonly pinned: readonly ImagePattern[]
  readonly now: () => number
}) => Promise<Lists>

const digest = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest
const repository = { upstream: 'docker.io', name: 'library/app' }

/** What operators keep: pins and trusted digests. Every index passes it. */
export function listsSuite(name: string, open: OpenLists): void {
  const opened = () => open({ pinned: [pattern('alpine')], now: () => 1_000 })

  suite(`${name}: lists of operators`, () => {
    test('pins are kept over a restart, beside those of the configuration', async () => {
      await using lists = await opened()
      assert.equal(await lists.pins.add(pattern('node:20*')), true)
      assert.equal(await lists.pins.add(pattern('docker.io/library/node:20*')), false)
      assert.equal(await lists.pins.add(pattern('alpine')), false)
      await lists.restart()
      assert.deepEqual(await lists.pins.list(), [
        { pattern: 'docker.io/library/alpine' },
        { pattern: 'docker.io/library/node:20*', addedAt: 1_000 },
      ])
      assert.equal(await lists.pins.remove(pattern('library/node:20*')), true)
      assert.equal(await lists.pins.remove(pattern('library/node:20*')), false)
      assert.equal(await lists.pins.remove(pattern('alpine')), false)
      assert.deepEqual(await lists.pins.list(), [{ pattern: 'docker.io/library/alpine' }])
    })

    test('trusted digests are bounded, belong to their repository, and outlive a restart', async () => {
      await using lists = await opened()
      for (let i = 0; i < 1_000; i += 1)
        assert.equal(await lists.trusted.add({ repository, digest: digest(i), addedAt: i }), 'added')
      assert.equal(await lists.trusted.add({ repository, digest: digest(7), addedAt: 9 }), 'known')
      assert.equal(await lists.trusted.add({ repository, digest: digest(1_000), addedAt: 9 }), 'full')
      await lists.restart()
      const trusted = await lists.trusted.of(repository)
      assert.equal(trusted.size, 1_000)
      assert.ok(!trusted.has(digest(1_000)))
      assert.equal((await lists.trusted.of({ ...repository, name: 'library/web' })).size, 0)
      assert.equal(await lists.trusted.remove(repository, digest(7)), true)
      assert.equal(await lists.trusted.remove(repository, digest(7)), false)
      assert.deepEqual((await lists.trusted.list())[0], { repository, digest: digest(0), addedAt: 0 })
    })
  })
}
