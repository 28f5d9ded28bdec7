/** A proxy that has something stored, and a registry to push it to. */
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { PushedImage, PushReport } from '../../src/ports/moving/push.ts'
import { fakeDestination, type FakeDestinationOptions } from '../support/fake-destination.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'

export const KiB = 1024

export interface Pushed {
  readonly status: number
  readonly report: PushReport
  readonly images: ReadonlyMap<string, PushedImage>
  readonly error: string | undefined
}

export async function push(
  proxy: Proxy,
  to: string,
  request: object = {},
  credentials?: object,
): Promise<Pushed> {
  const url = new URL(to)
  const answer = await fetch(`${proxy.adminUrl}/api/v1/push`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      images: ['**'],
      to: { url: url.origin, path: url.pathname.slice(1), ...(credentials && { credentials }) },
      ...request,
    }),
  })
  const lines = (await answer.text())
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  const images = new Map<string, PushedImage>()
  for (const { step, images: told } of lines) {
    if (step === 'images') for (const image of told as PushedImage[]) images.set(image.image, image)
  }
  return { status: answer.status, report: lines.at(-1), images, error: lines.at(-1).error }
}

/** An upstream with an image of two platforms, which only one was pulled of, and one without. */
export async function scene(options: FakeDestinationOptions = {}, config: Record<string, unknown> = {}) {
  await using starting = new AsyncDisposableStack()
  const upstream = starting.use(await fakeUpstream())
  const there = starting.use(await fakeDestination(options))
  const imageConfig = Buffer.from('{}')
  const shared = blobOf(300 * KiB, 1)
  const [amd, arm, plain] = [blobOf(40 * KiB, 2), blobOf(50 * KiB, 3), blobOf(60 * KiB, 4)]
  for (const { bytes } of [shared, amd, arm, plain]) upstream.addBlob(bytes)
  upstream.addBlob(imageConfig)
  const children = [amd, arm].map((layer, i) => {
    const body = manifestOf([shared.bytes, layer.bytes])
    upstream.addManifest('org/multi', undefined, body, OCI_MANIFEST)
    const platform = { os: 'linux', architecture: ['amd64', 'arm64'][i] }
    return Object.assign(descriptorOf(body, OCI_MANIFEST), { platform })
  })
  const index = indexOf(children)
  upstream.addManifest('org/multi', 'latest', index, OCI_INDEX)
  const single = manifestOf([shared.bytes, plain.bytes])
  upstream.addManifest('org/single', '1', single, OCI_MANIFEST)
  const proxy = starting.use(await startProxy({ upstream, config }))
  const get = (path: string) => fetch(`${proxy.url}/v2/${path}`).then((answer) => answer.arrayBuffer())
  await get('org/multi/manifests/latest')
  await get(`org/multi/manifests/${children[0]!.digest}`)
  for (const { digest } of [shared, amd]) await get(`org/multi/blobs/${digest}`)
  await get('org/single/manifests/1')
  const running = starting.move()
  return {
    ...{ upstream, there, proxy, shared, arm, plain, children, get },
    index: descriptorOf(index).digest,
    single: descriptorOf(single).digest,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
