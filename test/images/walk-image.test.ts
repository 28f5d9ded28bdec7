import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type MissingPart,
  walkImage,
  type WalkedManifest,
  type WalkOptions,
} from '../../src/images/walk-image.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import type { Repository } from '../../src/ports/repository.ts'
import { descriptorOf, indexOf } from '../support/fixtures.ts'
import { rig } from '../support/rig.ts'
import { addMultiImage, imageUpstream, REPOSITORY } from './image-upstream.ts'

interface Walked {
  readonly order: readonly Digest[]
  readonly manifests: readonly WalkedManifest[]
  readonly missing: readonly MissingPart[]
}

async function walk(repository: Repository, root: Digest, options?: WalkOptions): Promise<Walked> {
  const all = await Array.fromAsync(walkImage(repository, root, options))
  const manifests = all.filter((one) => one.kind === 'manifest')
  return {
    manifests,
    order: manifests.map(({ manifest }) => manifest.descriptor.digest),
    missing: all.filter((one) => one.kind === 'missing'),
  }
}

test('the manifests of an index come before it, and referrers after their subject', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream })
  const { index, amd64, arm64, attestation, signature } = addMultiImage(upstream)
  const { order, missing, manifests } = await walk(proxy.repository(), index, { referrers: true })
  assert.deepEqual(order, [amd64.digest, signature.digest, arm64.digest, attestation.digest, index])
  assert.deepEqual(missing, [])
  const byDigest = new Map(manifests.map((one) => [one.manifest.descriptor.digest, one]))
  assert.equal(byDigest.get(signature.digest)!.isReferrer, true)
  assert.equal(byDigest.get(signature.digest)!.parent, amd64.digest)
  assert.equal(byDigest.get(arm64.digest)!.platform, 'linux/arm64/v8')
  assert.deepEqual(byDigest.get(index)!.children, [amd64.digest, arm64.digest, attestation.digest])
  assert.deepEqual(
    byDigest.get(amd64.digest)!.blobs.map(({ digest }) => digest),
    [descriptorOf(Buffer.from('{}')).digest, ...amd64.layers],
  )
  // Once more from the store.
  const before = upstream.requests.length
  assert.deepEqual((await walk(proxy.repository(), index)).order.length, 4)
  assert.equal(upstream.requests.length, before)
})

test('selected platforms bring their attestations, and leave the others out', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream })
  const { index, amd64, arm64, attestation } = addMultiImage(upstream)
  const one = await walk(proxy.repository(), index, { platforms: ['linux/amd64'] })
  assert.deepEqual(one.order, [amd64.digest, attestation.digest, index])
  assert.deepEqual(
    one.manifests.at(-1)!.leftOut.map(({ digest }) => digest),
    [arm64.digest],
  )
  const other = await walk(proxy.repository(), index, { platforms: ['linux/arm64', 'windows/*'] })
  assert.deepEqual(other.order, [arm64.digest, index])
  assert.deepEqual(other.missing, [
    { kind: 'missing', what: 'platform', digest: index, platform: 'windows/*' },
  ])
})

test('what upstream does not have, and what it could not be asked for, is told apart', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream })
  const { amd64, arm64 } = addMultiImage(upstream)
  const absent = descriptorOf(Buffer.from('absent'), 'application/vnd.oci.image.manifest.v1+json')
  const listed = [amd64, arm64].map(({ digest }) => Object.assign({}, absent, { digest }))
  const { digest } = upstream.addManifest(REPOSITORY, 'odd', indexOf([...listed, absent]), OCI_INDEX)
  upstream.on(new RegExp(`manifests/${arm64.digest}`), { status: 500 })
  const { order, missing } = await walk(proxy.repository(), digest)
  assert.deepEqual(order, [amd64.digest, digest])
  assert.deepEqual(
    missing.map(({ what, digest, error }) => [what, digest, error?.code]),
    [
      ['manifest', arm64.digest, 'UPSTREAM_UNAVAILABLE'],
      ['manifest', absent.digest, undefined],
    ],
  )
})

test('indexes within each other end at a depth', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream })
  let { digest } = addMultiImage(upstream).amd64
  for (let depth = 0; depth < 20; depth++)
    ({ digest } = upstream.addManifest(
      REPOSITORY,
      undefined,
      indexOf([{ ...descriptorOf(Buffer.from(''), OCI_INDEX), digest }]),
      OCI_INDEX,
    ))
  const { manifests, missing } = await walk(proxy.repository(), digest)
  assert.equal(manifests.length, 9)
  assert.deepEqual(
    missing.map(({ what }) => what),
    ['rest'],
  )
})

test('a walk ends when its signal aborts', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream })
  const { index } = addMultiImage(upstream)
  await assert.rejects(walk(proxy.repository(), index, { signal: AbortSignal.abort(new Error('enough')) }), {
    message: 'enough',
  })
})
