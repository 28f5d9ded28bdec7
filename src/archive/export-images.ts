import { fetchImage, type FetchImageOptions } from '../images/fetch-image.ts'
import type { Explain } from '../images/missing-why.ts'
import { walkImage, type WalkedManifest } from '../images/walk-image.ts'
import type { Digest } from '../oci/digest.ts'
import { type ImagePattern, imageText } from '../oci/image-pattern.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import type { ExportedArchive, ExportImages, ExportRequest } from '../ports/moving/archive.ts'
import type { TagPeek } from '../ports/metadata.ts'
import type { Image, ImageCatalogue } from '../ports/operations.ts'
import type { Registry, Repository } from '../ports/repository.ts'
import type { ServedOf } from '../ports/time.ts'
import { countText, sizeText } from '../util/human.ts'
import { futureMistake } from '../util/instant.ts'
import { sortedInTurns } from '../util/async/sorted-in-turns.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import { type DockerImage, dockerImage, likeliest } from './docker-manifest.ts'
import { partText, refusal, tooMany } from './export-refusals.ts'
import { findAllowed } from './find-allowed.ts'
import { BlobSizes, sizesText } from './archive-room.ts'
import * as layout from './layout.ts'
import { contentOf } from './read-content.ts'
import { tarSize, writeTar, type WrittenEntry } from './tar.ts'

export interface ExportingOptions extends Pick<FetchImageOptions, 'isStored'> {
  readonly catalogue: Pick<ImageCatalogue, 'images'>
  readonly tags: TagPeek
  readonly served: ServedOf
  readonly registry: Pick<Registry, 'find'>
  /** The same, without asking upstream. */
  readonly stored: Pick<Registry, 'find'>
  readonly explain: Explain
  /** Whether it is never asked. */
  readonly isOffline: (upstream: string) => boolean
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** For whom downloads are, where clients take turns. */
const CLIENT = 'export'

interface Planned {
  readonly entries: layout.LayoutEntry[]
  readonly docker: DockerImage[]
  /** Images of which one of the platforms that were asked for is there. */
  meant: number
  /** The bytes of the archive, each once, and where they are read. */
  readonly blobs: Map<Digest, { readonly size: number; readonly repository: Repository }>
  readonly sizes: BlobSizes
}

/** Plans an archive: completes the images from upstream, and lists what goes into it. */
export function createExport(options: ExportingOptions): ExportImages {
  const { catalogue, tags, served, registry, stored, isStored, explain, isOffline, now } = options

  return async (request, job) => {
    refuseFuture('asOf', request.asOf)
    refuseFuture('since', request.since)
    const images = await matching(request, request.asOf)
    if (images.length === 0) throw new Error('nothing that is stored matches')
    // Before anything is fetched for it.
    for (const image of images) find(registry, image)
    if (images.length > layout.MOST_ENTRIES) throw tooMany(images.length)
    const left =
      request.since === undefined ? new Set<Digest>() : await baseOf(request, request.since, job.signal)
    const planned: Planned = { entries: [], docker: [], meant: 0, blobs: new Map(), sizes: new BlobSizes() }
    for (const [i, image] of images.entries()) {
      job.say(`image ${i + 1} of ${images.length}: ${imageText(image)}`)
      await add(image, request, left, planned, job.signal)
    }
    if (planned.meant === 0)
      throw new Error(`no image that matches has a platform ${request.platforms!.join(' or ')}`)
    const archive = archiveOf(planned, request.since)
    job.say(`${countText(images.length, 'image')}, ${sizeText(archive.bytes)} to write`)
    return archive
  }

  function refuseFuture(name: string, instant = -Infinity): void {
    const mistake = futureMistake(instant, now())
    if (mistake !== undefined) throw new Error(`${name} ${mistake}`)
  }

  /** The images with the digests that pulls get, or got then. */
  async function matching({ patterns }: ExportRequest, asOf?: number): Promise<readonly Image[]> {
    const found = new Map<string, Image>()
    const pause = yieldEvery()
    for (const pattern of patterns) {
      for (const image of await catalogue.images(pattern, { ...(asOf !== undefined && { asOf }) })) {
        const meant = asServed(image, await served(image, asOf), pattern)
        found.set(`${imageText(meant)} ${meant.digest}`, meant)
        await pause()
      }
    }
    const sorted = await sortedInTurns([...found], ([one], [other]) => (one < other ? -1 : 1))
    return sorted.map(([, image]) => image)
  }

  /** What an archive of the same images had at that instant, as far as it is still known. */
  async function baseOf(request: ExportRequest, since: number, signal: AbortSignal): Promise<Set<Digest>> {
    const base = new Set<Digest>()
    for (const image of await matching(request, since)) {
      const repository = find(stored, image)
      for await (const one of walkImage(repository, image.digest, { ...walkOptions(request), signal }))
        if (one.kind === 'manifest') for (const { digest } of one.blobs) base.add(digest)
    }
    return base
  }

  async function add(
    image: Image,
    request: ExportRequest,
    left: ReadonlySet<Digest>,
    planned: Planned,
    signal: AbortSignal,
  ): Promise<void> {
    const live = find(registry, image)
    const walk = walkOptions(request)
    const { missing } = await fetchImage(live, image.digest, { ...walk, isStored, signal, client: CLIENT })
    const lacks = missing.filter(({ what }) => what !== 'platform')
    if (lacks.length > 0)
      throw new Error(
        refusal(
          image,
          lacks.map((part) => partText(part, live, explain, isOffline(image.repository.upstream))),
        ),
      )
    const repository = request.referrers === true ? live : find(stored, image)
    const loadable: { readonly platform: string | undefined; readonly body: Buffer }[] = []
    let isSparse = false
    const platforms = new Set<string>()
    for await (const one of walkImage(repository, image.digest, { ...walk, signal })) {
      if (one.kind === 'missing') continue
      isSparse ||= one.leftOut.length > 0
      if (one.parent === undefined && (one.children.length > 0 || one.leftOut.length === 0))
        planned.meant += 1
      if (!one.isReferrer && one.platform !== undefined) platforms.add(one.platform)
      const isComplete = await addContent(one, live, left, planned)
      if (one.isReferrer) planned.entries.push(referrerEntry(one, live))
      else if (isComplete) loadable.push({ platform: one.platform, body: one.manifest.body })
    }
    const root = await repository.manifests.get(image.digest, { signal })
    if (root === undefined) throw new Error(refusal(image, ['it was evicted meanwhile']))
    const name = imageText(image)
    const checked = image.tag === undefined ? undefined : await tags.peek(image.repository, image.tag)
    planned.entries.push({
      mediaType: root.descriptor.mediaType,
      digest: image.digest,
      size: root.body.length,
      annotations: {
        [layout.NAME]: name,
        ...(image.tag !== undefined && { [layout.REF_NAME]: image.tag }),
        ...(checked?.digest === image.digest && {
          [layout.CHECKED]: new Date(checked.checkedAt).toISOString(),
        }),
        ...(isSparse && { [layout.PLATFORMS]: [...platforms].join(' ') }),
      },
    })
    const best = likeliest(loadable.filter(({ body }) => dockerImage(body, name) !== undefined))
    if (best !== undefined && image.tag !== undefined) planned.docker.push(dockerImage(best.body, name)!)
  }
}

/** What a cool-down holds back is exported where its digest was asked for, and then has no tag. */
function asServed(image: Image, digest: Digest, pattern: ImagePattern): Image {
  const served = { ...image, digest }
  return pattern.matches(served) ? served : { ...image, tag: undefined }
}

/** @returns whether all of it goes into the archive */
async function addContent(
  { manifest, blobs }: WalkedManifest,
  repository: Repository,
  left: ReadonlySet<Digest>,
  planned: Planned,
): Promise<boolean> {
  const { upstream } = repository.name
  planned.blobs.set(manifest.descriptor.digest, { size: manifest.body.length, repository })
  planned.sizes.add(upstream, manifest.descriptor.digest, manifest.body.length)
  let isComplete = true
  for (const { digest, size: stated, isForeign } of blobs) {
    if (left.has(digest) || isForeign === true) {
      isComplete = false
      continue
    }
    // Schema 1 manifests do not state the sizes of their layers.
    const size = stated || ((await repository.blobs.stat(digest))?.size ?? 0)
    planned.blobs.set(digest, { size, repository })
    planned.sizes.add(upstream, digest, size)
  }
  return isComplete
}

function walkOptions({ platforms, referrers }: ExportRequest) {
  return { ...(platforms && { platforms }), referrers: referrers === true }
}

function find(registry: Pick<Registry, 'find'>, image: Image): Repository {
  const { upstream } = image.repository
  const found = findAllowed(registry, image.repository, imageText(image))
  if (found === undefined)
    throw new Error(`${upstream} is no upstream any more: add it to upstreams, offline or not`)
  return found
}

function referrerEntry({ manifest }: WalkedManifest, { name }: Repository): layout.LayoutEntry {
  const { mediaType, digest } = manifest.descriptor
  const annotations = { [layout.REPOSITORY]: `${name.upstream}/${name.name}` }
  return { mediaType, digest, size: manifest.body.length, annotations }
}

/** The files in the order in which a reader needs them: what is in the archive, then the bytes. */
function archiveOf({ entries, docker, blobs, sizes }: Planned, since: number | undefined): ExportedArchive {
  const unique = [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()]
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: unique,
    annotations: {
      [layout.FORMAT]: '1',
      [layout.BYTES]: sizesText(sizes.sums),
      ...(since !== undefined && { [layout.SINCE]: new Date(since).toISOString() }),
    },
  }
  const indexFile = jsonFile(layout.INDEX_FILE, index)
  if (unique.length > layout.MOST_ENTRIES || indexFile.size > layout.LONGEST_INDEX)
    throw tooMany(unique.length)
  const files = [
    jsonFile(layout.LAYOUT_FILE, { imageLayoutVersion: '1.0.0' }),
    indexFile,
    ...(docker.length > 0 ? [jsonFile(layout.DOCKER_FILE, docker)] : []),
    ...Array.from(blobs, ([digest, { size, repository }]): WrittenEntry => ({
      name: layout.blobFile(digest),
      size,
      bytes: () => contentOf(repository, digest, CLIENT),
    })),
  ]
  return {
    images: new Set(unique.map(({ annotations }) => annotations?.[layout.NAME])).size,
    blobs: blobs.size,
    bytes: tarSize(files),
    write: () => writeTar(files),
  }
}

function jsonFile(name: string, value: object): WrittenEntry {
  const bytes = Buffer.from(JSON.stringify(value))
  return { name, size: bytes.length, bytes: () => [bytes] }
}
