import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { imageText } from '../../src/oci/image-pattern.ts'
import { type Blob, blobOf } from '../support/fixtures.ts'
import { addImage, addIndex, pattern } from './images.ts'
import { storeFolder } from './setup.ts'

const layers = [1, 2, 3, 4].map((i) => blobOf(1_000 * 2 ** i, i))
const names = ['ghcr.io/a', 'ghcr.io/b', 'quay.io/a']

const worlds = fc.array(
  fc.record({
    name: fc.constantFrom(...names),
    tag: fc.constantFrom('1', '2', undefined),
    layers: fc.subarray(layers, { minLength: 1 }),
    /** Which of the manifests before it, when it is an index. */
    index: fc.option(fc.subarray([0, 1, 2, 3], { minLength: 1 }), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 6 },
)
const patterns = fc.constantFrom(
  '*',
  'ghcr.io/*',
  'ghcr.io/a',
  '*:1',
  'ghcr.io/a:2',
  '*@sha256:*',
  '*@sha256:?0*',
)

test('whatever there is and goes: others stay whole, nothing else stays, and each image weighs what it would free', async () => {
  await fc.assert(
    fc.asyncProperty(worlds, patterns, async (world, written) => {
      const wanted = pattern(written.replace('?', ''))
      await using folder = await storeFolder()
      await using store = await folder.open()
      const parts = new Map<string, readonly Blob[]>()
      const manifests: Blob[] = []
      for (const { name, tag, layers, index } of world) {
        const children = (index ?? []).flatMap((i) => manifests[i] ?? [])
        if (children.length > 0) {
          // Pulling an index pulls its manifests through the same repository.
          for (const child of children) await addImage(store, name, undefined, parts.get(child.digest)!)
          const blob = await addIndex(store, name, tag, children)
          parts.set(blob.digest, children.concat(children.flatMap((child) => parts.get(child.digest)!)))
        } else {
          const blob = await addImage(store, name, tag, layers)
          parts.set(blob.digest, layers)
          manifests.push(blob)
        }
      }
      const before = await store.catalogue.images(pattern('*'))
      for (const image of before) {
        const alone = await store.catalogue.purge(pattern(imageText(image)), { dryRun: true })
        if (alone.images.length === 1) assert.equal(image.unshared, alone.bytes, imageText(image))
        // Images of one repository are found in another way.
        const { upstream, name } = image.repository
        const here = await store.catalogue.images(pattern(`${upstream}/${name}`))
        assert.deepEqual(
          here.map((one) => [imageText(one), one]).toSorted(),
          before
            .filter(({ repository }) => repository.upstream === upstream && repository.name === name)
            .map((one) => [imageText(one), one])
            .toSorted(),
        )
      }
      const { bytes: total } = await store.inventory.usage()
      const { images, bytes } = await store.catalogue.purge(wanted, { dryRun: false })
      assert.deepEqual(
        images.map(imageText).toSorted(),
        before.filter(wanted.matches).map(imageText).toSorted(),
      )
      const staying = before.filter((image) => !wanted.matches(image))
      const used = staying.flatMap(({ digest }) => [digest, ...parts.get(digest)!.map((blob) => blob.digest)])
      assert.deepEqual(await folder.files(), [...new Set(used)].toSorted())
      assert.equal((await store.inventory.usage()).bytes, total - bytes)
      const after = await store.catalogue.images(pattern('*'))
      assert.deepEqual(
        after.map((image) => [imageText(image), image.size]).toSorted(),
        staying.map((image) => [imageText(image), image.size]).toSorted(),
      )
    }),
    { numRuns: 40 },
  )
})
