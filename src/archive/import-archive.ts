import { type Digest, digestOf } from '../oci/digest.ts'
import { imageText } from '../oci/image-pattern.ts'
import { referencesIn } from '../oci/manifest.ts'
import { type Referrer, referrersTag } from '../oci/referrers.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { ImportArchive, ImportedImage } from '../ports/moving/archive.ts'
import { type BlobStore, isInMemory } from '../ports/blob-store.ts'
import type { LinkIndex, ReferenceIndex, TagIndex, TagPeek } from '../ports/metadata.ts'
import type { Registry } from '../ports/repository.ts'
import { countText, sizeText } from '../util/human.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import { mutex } from '../util/async/mutex.ts'
import { allMustFit, type LimitFor, mustFit, sizesIn, sizesOf } from './archive-room.ts'
import { type CheckedImage, checkImage } from './check-image.ts'
import { explained } from './explained.ts'
import { keepShares, type SharesOptions } from './keep-shares.ts'
import * as layout from './layout.ts'
import { type NamedEntry, nameImages, referring } from './name-images.ts'
import { referrerOf, withReferrers } from './referrer-lists.ts'
import { type StagedArchive, stageArchive } from './stage-archive.ts'

export interface ImportingOptions extends SharesOptions {
  readonly blobs: BlobStore
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly tags: TagIndex
  readonly peek: TagPeek['peek']
  readonly registry: Pick<Registry, 'find'>
  /** Omitted: no limit is for content that is taken in. */
  readonly limitFor?: LimitFor | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface Checked extends NamedEntry, CheckedImage {}

/** Longer content is no manifest. */
const LONGEST_MANIFEST = 4 * 1024 * 1024
/** Digests that are deleted in one step. */
const STEP = 100

/**
 * Takes archives in, one at a time. Content is stored as it comes, and verified; nobody may read it. When all
 * of the archive is there and whole, its repositories are linked to it and the tags are set, last of all. An
 * archive that is refused leaves nothing, but what a client has pulled meanwhile. One that could not fit is
 * refused as soon as that is known, for what it takes is evicted: an archive of ours says its size first. One
 * of which a share cannot hold all, besides what is pinned, is kept in part, and told as that.
 */
export function createImport(options: ImportingOptions): ImportArchive {
  const { blobs, links, references, tags, peek, registry, limitFor, now } = options
  const inTurn = mutex()

  return (bytes, { as }, { signal, say }) =>
    inTurn(async () => {
      const added = new Map<Digest, number>()
      let checked: readonly Checked[]
      let images: readonly ImportedImage[]
      try {
        let only: string | undefined // The upstream that all images are of, as far as is known.
        const staged = await stageArchive(bytes, {
          blobs,
          signal,
          say,
          async indexed({ entries, annotations }) {
            const named = nameImages(entries, registry, as).images
            const [first, ...others] = new Set(named.map(({ repository }) => repository.upstream))
            if (others.length === 0) only = first
            const said = sizesIn(annotations)
            if (said !== undefined) await allMustFit(limitFor, said, only)
          },
          growing: (size) => mustFit(limitFor, { bytes: size, isLeast: true, upstream: only }),
          added: (digest, size) => void added.set(digest, size),
        })
        checked = await check(staged, as)
        await allMustFit(limitFor, sizesOf(checked, staged.blobs))
        signal.throwIfAborted()
        images = await publish(checked)
        // What no image of the archive uses.
        await removeUnlinked(added)
      } catch (error) {
        await removeUnlinked(added)
        throw explained(error)
      }
      await keepShares(checked, options)
      const sum = added.values().reduce((total, size) => total + size, 0)
      say(`${countText(images.length, 'image')}, ${sizeText(sum)} added`)
      return { images, blobs: added.size, bytes: sum }
    })

  async function check(staged: StagedArchive, as: string | undefined): Promise<readonly Checked[]> {
    const named = nameImages(staged.entries, registry, as)
    const isOurs = staged.annotations[layout.FORMAT] !== undefined
    const since = staged.annotations[layout.SINCE]
    const checked: Checked[] = []
    for (const one of [...named.images, ...referring(named)]) {
      const { entry, repository, tag } = one
      const platforms = entry.annotations?.[layout.PLATFORMS]?.split(' ')
      const mayLack = (platform: string) =>
        platforms !== undefined && (platform === 'attestation' || !platforms.includes(platform))
      const name = imageText({ repository, tag, digest: entry.digest })
      try {
        const image = await checkImage(entry.digest, {
          manifest: (digest) => manifestOf(digest, staged, repository.upstream),
          sizeOf: (digest) => sizeOf(digest, staged, repository.upstream),
          mayLack: isOurs ? mayLack : undefined,
        })
        if (image.manifests.length === 0)
          throw new Error(`${entry.digest} is neither in the archive nor in the store`)
        checked.push({ ...one, ...image })
      } catch (error) {
        const hint =
          since === undefined ? '' : ` (it is an increment since ${since}: import what it builds on first)`
        throw new Error(`${name}: ${(error as Error).message}${hint}`, { cause: error })
      }
    }
    if (checked.length === 0) throw new Error('the archive holds no image')
    return checked
  }

  /**
   * What the store had before counts only where its upstream is known to have it: an archive must not bring
   * others to content that is not theirs.
   */
  async function mayUse(digest: Digest, { blobs: own }: StagedArchive, upstream: string): Promise<boolean> {
    return own.has(digest) || (await links.knows(upstream, digest))
  }

  async function sizeOf(
    digest: Digest,
    staged: StagedArchive,
    upstream: string,
  ): Promise<number | undefined> {
    if (!(await mayUse(digest, staged, upstream))) return undefined
    return (await blobs.stat(digest))?.size ?? evicted(digest, staged)
  }

  async function manifestOf(digest: Digest, staged: StagedArchive, upstream: string) {
    if (!(await mayUse(digest, staged, upstream))) return undefined
    const content = await read(digest)
    if (content === undefined) return evicted(digest, staged)
    return { mediaType: content.mediaType, body: content.bytes }
  }

  async function read(
    digest: Digest,
  ): Promise<{ readonly mediaType: string; readonly bytes: Buffer } | undefined> {
    const opened = await blobs.open(digest, { isByJob: true })
    if (opened === undefined) return undefined
    const { mediaType, size } = opened.descriptor
    if (isInMemory(opened)) return { mediaType, bytes: opened.bytes }
    await using reader = opened
    if (size > LONGEST_MANIFEST) throw new Error(`${digest} is too long to be a manifest`)
    const bytes = Buffer.alloc(size)
    let end = 0
    for (let count; end < size && (count = await reader.read(bytes.subarray(end), end)) > 0; end += count);
    return { mediaType, bytes }
  }

  async function publish(all: readonly Checked[]): Promise<readonly ImportedImage[]> {
    const lists = new Map<string, { repository: RepositoryName; subject: Digest; referrers: Referrer[] }>()
    const pause = yieldEvery()
    for (const { repository, manifests } of all) {
      // Those of an index before it.
      for (const manifest of manifests.toReversed()) {
        const { digest, mediaType, body } = manifest
        for (const blob of manifest.blobs) {
          await links.add(repository, blob)
          await pause()
        }
        await references.record(digest, referencesIn({ body }).digests)
        await links.add(repository, digest, mediaType)
        const found = referrerOf(manifest, body)
        if (found === undefined) continue
        const key = `${repository.upstream}/${repository.name} ${found.subject}`
        const list = lists.get(key) ?? { repository, subject: found.subject, referrers: [] }
        list.referrers.push(found.referrer)
        lists.set(key, list)
      }
    }
    for (const list of lists.values()) await addReferrers(list)
    const named = all.filter(
      ({ tag, entry }) => tag !== undefined || entry.annotations?.[layout.NAME] !== undefined,
    )
    const images: ImportedImage[] = []
    for (const one of named) images.push(await setTag(one))
    return images
  }

  async function setTag({ entry, repository, tag, absent }: Checked): Promise<ImportedImage> {
    const { digest, annotations } = entry
    const common = { image: imageText({ repository, tag, digest }), digest, absent }
    if (tag === undefined) return { ...common, state: 'imported' }
    const known = await peek(repository, tag)
    const said = Date.parse(annotations?.[layout.CHECKED] ?? '')
    const checkedAt = Math.min(now(), Number.isNaN(said) ? now() : said)
    if (known?.digest === digest) {
      if (known.checkedAt < checkedAt) await tags.set(repository, tag, { digest, checkedAt })
      return { ...common, state: 'present' }
    }
    if (known !== undefined && known.checkedAt > checkedAt) return { ...common, state: 'kept' }
    await tags.set(repository, tag, { digest, checkedAt })
    return { ...common, state: 'imported' }
  }

  /** Puts them where an upstream without the referrers API has them, and where an offline one looks. */
  async function addReferrers({
    repository,
    subject,
    referrers,
  }: {
    readonly repository: RepositoryName
    readonly subject: Digest
    readonly referrers: readonly Referrer[]
  }): Promise<void> {
    const tag = referrersTag(subject)
    const known = await peek(repository, tag)
    const list = withReferrers(known && (await read(known.digest))?.bytes, referrers)
    if (list === undefined) return
    const { descriptor, body } = list
    await using ingest = await blobs.ingest(descriptor)
    await ingest.write(body, 0)
    await ingest.verify(body.length)
    await ingest.commit()
    await references.record(descriptor.digest, referencesIn(list).digests)
    await links.add(repository, descriptor.digest, descriptor.mediaType)
    await tags.set(repository, tag, { digest: digestOf(body), checkedAt: now() })
  }

  /** What a repository is linked to is its own by now, whoever brought the bytes. */
  async function removeUnlinked(added: Map<Digest, number>): Promise<void> {
    for (const digests of stepsOf([...added.keys()])) {
      const unlinked: Digest[] = []
      for (const digest of digests) if (!(await links.isLinked(digest))) unlinked.push(digest)
      await blobs.delete(...unlinked)
      for (const digest of unlinked) added.delete(digest)
    }
  }
}

/** @throws Error when the archive had it: the store has made room with it for what came after */
function evicted(digest: Digest, { blobs: own }: StagedArchive): undefined {
  if (!own.has(digest)) return undefined
  throw new Error(
    `the store has no room for all of the archive: ${digest} was evicted again (storage.maxSize, storage.minFree)`,
  )
}

function* stepsOf(digests: readonly Digest[]): Generator<readonly Digest[]> {
  for (let i = 0; i < digests.length; i += STEP) yield digests.slice(i, i + STEP)
}
