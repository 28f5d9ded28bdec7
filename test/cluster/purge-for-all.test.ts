/** What a purge removes here and of what all share, and in which order. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { purgeForAll } from '../../src/cluster/index/purge-for-all.ts'
import { isRegistryError, RegistryError } from '../../src/oci/errors.ts'
import type { ImageCatalogue, PurgeScope } from '../../src/ports/operations.ts'
import { pattern } from '../storage/images.ts'

const NOTHING = { images: [], pinned: [], objects: 0, bytes: 0 }

function world() {
  const steps: string[] = []
  const scopes: PurgeScope[] = []
  let out: 'database' | 'news' | undefined
  const unless = (what: typeof out): void => {
    if (out === what) throw new RegistryError('STORAGE', { reason: 'out' })
  }
  const purging = purgeForAll({
    catalogue: {
      async purge(_, scope) {
        steps.push('here')
        scopes.push(scope)
        return NOTHING
      },
    } as Partial<ImageCatalogue> as ImageCatalogue,
    database: {
      async query() {
        unless('database')
        return []
      },
    },
    tags: { purge: async () => void steps.push('shared') },
    async tell() {
      unless('news')
      steps.push('told')
    },
  })
  return { purging, steps, scopes, fail: (what: typeof out) => void (out = what) }
}

suite('a purge on all replicas', () => {
  test('is of what all share first, then told, and then of what this replica has', async () => {
    const { purging, steps } = world()
    await purging.catalogue.purge(pattern('org/a'), { dryRun: false })
    assert.deepEqual(steps, ['shared', 'told', 'here'])
  })

  for (const out of ['database', 'news'] as const)
    test(`changes nothing here when it fails at the ${out}`, async () => {
      const { purging, steps, fail } = world()
      fail(out)
      await assert.rejects(purging.catalogue.purge(pattern('org/a'), { dryRun: false }), (error) =>
        isRegistryError(error, 'STORAGE'),
      )
      assert.ok(!steps.includes('here'))
    })

  test('a dry run asks nobody', async () => {
    const { purging, steps, fail } = world()
    fail('database')
    await purging.catalogue.purge(pattern('org/a'), { dryRun: true })
    assert.deepEqual(steps, ['here'])
  })

  test('that is heard of is of this replica alone', async () => {
    const { purging, steps, scopes } = world()
    await purging.heard('docker.io/org/a')
    assert.deepEqual(steps, ['here'])
    assert.deepEqual(scopes, [{ dryRun: false, isOnlyHere: true }])
  })
})
