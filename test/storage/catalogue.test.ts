import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Image } from '../../src/ports/operations.ts'
import { imageText } from '../../src/oci/image-pattern.ts'
import { blobOf } from '../support/fixtures.ts'
import { addImage, addIndex, pattern, repository, tagged } from './images.ts'
import { contentOf, type OpenStore, put, storeFolder } from './setup.ts'

const [base, one, two] = [blobOf(10_000, 1), blobOf(2_000, 2), blobOf(3_000, 3)]

async function images({ catalogue }: OpenStore, text = '*'): Promise<ReadonlyMap<string, Image>> {
  return new Map((await catalogue.images(pattern(text))).map((image) => [imageText(image), image]))
}

suite('images', () => {
  test('their size is what is stored of them, and what only they use is told apart', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open({ now: () => 5_000 })
    const first = await addImage(store, 'docker.io/library/app', '1', [base, one])
    const second = await addImage(store, 'ghcr.io/org/app', '2', [base, two])
    const all = await images(store)
    assert.deepEqual(all.get('docker.io/library/app:1'), {
      repository: repository('docker.io/library/app'),
      tag: '1',
      digest: first.digest,
      size: 12_000 + first.bytes.length,
      unshared: 2_000 + first.bytes.length,
      storedAt: 5_000,
      lastUsed: 5_000,
      hits: 0,
      isPinned: false,
      isVanishing: false,
    })
    assert.equal(all.get('ghcr.io/org/app:2')?.unshared, 3_000 + second.bytes.length)
    assert.deepEqual([...(await images(store, 'app')).keys()], ['docker.io/library/app:1'])
    await store.blobs.delete(base.digest)
    assert.equal((await images(store)).get('docker.io/library/app:1')?.size, 2_000 + first.bytes.length)
  })

  test('an index is one image with its manifests; what was pulled by digest is one too', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const manifest = await addImage(store, 'ghcr.io/org/app', undefined, [one])
    const alone = `ghcr.io/org/app@${manifest.digest}`
    assert.deepEqual([...(await images(store)).keys()], [alone])
    const index = await addIndex(store, 'ghcr.io/org/app', 'latest', [manifest])
    const all = await images(store)
    assert.deepEqual([...all.keys()], ['ghcr.io/org/app:latest'])
    assert.equal(
      all.get('ghcr.io/org/app:latest')!.size,
      index.bytes.length + manifest.bytes.length + one.bytes.length,
    )
    // In another repository the manifest may be an image by itself.
    await store.links.add(repository('ghcr.io/org/other'), manifest.digest)
    assert.deepEqual([...(await images(store)).keys()].toSorted(), [
      'ghcr.io/org/app:latest',
      `ghcr.io/org/other@${manifest.digest}`,
    ])
  })

  test('a tag that moved on leaves its image untagged; two tags of one image share it all', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const old = await addImage(store, 'ghcr.io/org/app', 'latest', [one])
    const young = await addImage(store, 'ghcr.io/org/app', 'latest', [two])
    await tagged(store, 'ghcr.io/org/app', '2', young.digest)
    const all = await images(store)
    const told = [...all].map(([name, { unshared }]) => [name, unshared])
    assert.deepEqual(Object.fromEntries(told), {
      'ghcr.io/org/app:latest': 0,
      'ghcr.io/org/app:2': 0,
      [`ghcr.io/org/app@${old.digest}`]: old.bytes.length + one.bytes.length,
    })
  })

  test('a tag whose manifest is not stored is known, with nothing to it', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open({ now: () => 7 })
    await tagged(store, 'ghcr.io/org/app', 'gone', one.digest)
    const image = (await images(store)).get('ghcr.io/org/app:gone')!
    assert.deepEqual([image.size, image.storedAt, image.lastUsed, image.hits], [0, undefined, 7, 0])
  })

  test('the last used come first, with the hits of this very moment', async () => {
    await using folder = await storeFolder()
    let now = 1_000
    await using store = await folder.open({ now: () => now })
    const a = await addImage(store, 'ghcr.io/org/a', '1', [one])
    await addImage(store, 'ghcr.io/org/b', '1', [two])
    now = 2_000
    await store.tags.get(repository('ghcr.io/org/b'), '1')
    now = 3_000
    for (let i = 0; i < 3; i++) await contentOf(store, a)
    const all = await store.catalogue.images(pattern('*'))
    assert.deepEqual(
      all.map(({ repository: { name }, lastUsed, hits }) => ({ name, lastUsed, hits })),
      [
        { name: 'org/a', lastUsed: 3_000, hits: 3 },
        { name: 'org/b', lastUsed: 2_000, hits: 0 },
      ],
    )
  })

  test('any number of them, in pages', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const image = await addImage(store, 'ghcr.io/org/app', '0', [one])
    for (let i = 1; i < 1_100; i++) await tagged(store, 'ghcr.io/org/app', String(i), image.digest)
    for (let i = 0; i < 210; i++) await addImage(store, `quay.io/r${i}`, undefined, [blobOf(10, i + 10)])
    assert.equal((await images(store)).size, 1_310)
    assert.equal((await images(store, 'quay.io/r7')).size, 1)
  })
})

test('usage: a shared object counts once in each sum', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  const sizes = new Map<string, number>()
  for (const [name, layers] of [
    ['docker.io/library/a', [base, one]],
    ['docker.io/library/b', [base]],
    ['ghcr.io/org/c', [base, two]],
  ] as const)
    sizes.set(name, (await addImage(store, name, '1', layers)).bytes.length)
  const lost = blobOf(500, 9)
  await put(store, lost)
  const [a = 0, b = 0, c = 0] = sizes.values()
  const { indexBytes, ...usage } = await store.catalogue.usage()
  assert.ok(indexBytes > 4096)
  assert.deepEqual(usage, {
    partialBytes: 0,
    objects: 7,
    bytes: 15_500 + a + b + c,
    upstreams: [
      {
        name: 'ghcr.io',
        objects: 3,
        bytes: 13_000 + c,
        repositories: [{ name: 'org/c', objects: 3, bytes: 13_000 + c }],
      },
      {
        name: 'docker.io',
        objects: 4,
        bytes: 12_000 + a + b,
        repositories: [
          { name: 'library/a', objects: 3, bytes: 12_000 + a },
          { name: 'library/b', objects: 2, bytes: 10_000 + b },
        ],
      },
    ].toSorted((x, y) => y.bytes - x.bytes),
    unlinked: { objects: 1, bytes: 500 },
  })
})
