/** What refers to an image goes with it. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { referrersTag } from '../../src/oci/referrers.ts'
import { blobOf, descriptorOf, manifestOf } from '../support/fixtures.ts'
import { KiB, push, scene } from './scene.ts'

/** A signature of `subject`, and a signature of that. */
function addReferrers({ upstream }: Awaited<ReturnType<typeof scene>>, subject: Digest): readonly Digest[] {
  const layer = blobOf(KiB, 50)
  upstream.addBlob(layer.bytes)
  const digests: Digest[] = []
  for (const one of [subject, undefined]) {
    const about = one ?? digests.at(-1)!
    const body = manifestOf([layer.bytes], {
      subject: { mediaType: OCI_MANIFEST, digest: about, size: 1 },
      artifactType: 'application/vnd.example.signature',
    })
    const { digest } = upstream.addManifest('org/single', undefined, body, OCI_MANIFEST)
    upstream.addManifest('org/single', referrersTag(about), listOf([body]), OCI_INDEX)
    digests.push(digest)
  }
  return digests
}

function listOf(manifests: readonly Buffer[]): Buffer {
  const listed = manifests.map((body) =>
    Object.assign(descriptorOf(body, OCI_MANIFEST), { artifactType: 'application/vnd.example.signature' }),
  )
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: listed }))
}

for (const referrers of [true, false]) {
  suite(`a push with referrers to a registry ${referrers ? 'that lists them' : 'without their API'}`, () => {
    const request = { images: ['org/single:1'], referrers: true }

    test('brings signatures and what signs them, after their subject and before the tag', async () => {
      await using place = await scene({ referrers })
      const { there, proxy } = place
      const signatures = addReferrers(place, place.single)
      assert.equal((await push(proxy, there.url, request)).report.pushed, 1)
      const puts = there.requests.filter(({ step }) => step === 'put').map(({ url }) => url.split('/').at(-1))
      const subjects = [place.single, signatures[0]!]
      const own = puts.filter((reference) => !reference!.startsWith('sha256-'))
      assert.deepEqual(own, [place.single, ...signatures, '1'])
      const tags = puts.filter((reference) => reference!.startsWith('sha256-'))
      assert.deepEqual(tags, referrers ? [] : subjects.map(referrersTag))
      for (const signature of signatures) assert.equal(there.pull('org/single', signature), signature)
      if (referrers) return
      for (const [i, subject] of subjects.entries()) {
        const { body } = there.manifests.get('org/single')!.get(referrersTag(subject))!
        const { manifests } = JSON.parse(body.toString()) as {
          manifests: { digest: string; artifactType: string }[]
        }
        assert.deepEqual(
          manifests.map(({ digest, artifactType }) => ({ digest, artifactType })),
          [{ digest: signatures[i], artifactType: 'application/vnd.example.signature' }],
        )
      }
    })

    test('asks once for the image the second time', async () => {
      await using place = await scene({ referrers })
      const { there, proxy } = place
      addReferrers(place, place.single)
      await push(proxy, there.url, request)
      const before = there.requests.length
      assert.equal((await push(proxy, there.url, request)).report.unchanged, 1)
      assert.deepEqual(
        there.requests.slice(before).map(({ step, url }) => `${step} ${url}`),
        ['resolve /v2/org/single/manifests/1'],
      )
    })

    test('adds a referrer that is new to those that others have pushed', async () => {
      await using place = await scene({ referrers })
      const { there, proxy } = place
      await push(proxy, there.url, { images: ['org/single'] })
      const others = manifestOf([], { subject: { digest: place.single }, config: undefined })
      const list = listOf([others])
      if (!referrers) {
        there.manifests
          .get('org/single')!
          .set(referrersTag(place.single), { body: list, mediaType: OCI_INDEX })
      }
      const [signature] = addReferrers(place, place.single)
      // It is signed by now, which the tag does not tell.
      assert.equal((await push(proxy, there.url, request)).report.pushed, 1)
      if (referrers) return
      const { body } = there.manifests.get('org/single')!.get(referrersTag(place.single))!
      const { manifests } = JSON.parse(body.toString()) as { manifests: { digest: string }[] }
      assert.deepEqual(
        manifests.map(({ digest }) => digest),
        [digestOf(others), signature],
      )
    })
  })
}
