import { type Digest, digestFrom, hasherFor, isDigest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { excessIn, parseManifest } from '../oci/manifest-json.ts'
import { essenceOf, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM } from '../oci/media-types.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import { sizeText } from '../util/human.ts'
import { jsonObject, parseJsonObject } from '../util/json-object.ts'
import { decompressed } from './decompressed.ts'
import * as layout from './layout.ts'
import { type ReadEntry, readTar } from './tar.ts'

/** What an archive holds, every byte of it verified and in the store. Nobody may read it yet. */
export interface StagedArchive {
  readonly entries: readonly layout.LayoutEntry[]
  readonly annotations: layout.Annotations
  /** The blobs of the archive with their sizes. */
  readonly blobs: ReadonlyMap<Digest, number>
}

export interface StagingOptions {
  readonly blobs: BlobStore
  readonly signal: AbortSignal
  /** Asked once what the archive is said to be is known. It may throw. */
  readonly indexed: (index: Pick<StagedArchive, 'entries' | 'annotations'>) => Promise<void>
  /** Asked before a blob is stored, with the bytes of all until then and of this one. It may throw. */
  readonly growing: (bytes: number) => Promise<void>
  /** Told each blob that was not stored before, once it is. */
  readonly added: (digest: Digest, size: number) => void
  readonly say: (said: string) => void
}

/** Bytes of a manifest. */
const LONGEST_MANIFEST = 4 * 1024 * 1024
/** Files of one archive: what is known of them is kept in memory. */
const MOST_FILES = 500_000

/**
 * Reads an archive into the store. Files are found by their names, and no name is used as a path.
 *
 * @throws Error that says what is wrong with it
 */
export async function stageArchive(
  bytes: ReadableStream<Uint8Array>,
  { blobs: store, signal, indexed, growing, added, say }: StagingOptions,
): Promise<StagedArchive> {
  const blobs = new Map<Digest, number>()
  const seen = new Set<string>()
  let index: Pick<StagedArchive, 'entries' | 'annotations'> | undefined
  let isDocker = false
  let total = 0
  for await (const entry of readTar(await decompressed(bytes))) {
    signal.throwIfAborted()
    const name = nameOf(entry)
    if (entry.type === 'directory') continue
    if (seen.has(name)) throw new Error(`${name} is in the archive twice`)
    if (seen.size === MOST_FILES) throw new Error(`the archive has more than ${MOST_FILES} files`)
    seen.add(name)
    const digest = layout.digestOfFile(name)
    if (digest !== undefined) {
      await stageBlob(digest, entry)
      blobs.set(digest, entry.size)
      total += entry.size
      say(`${blobs.size} blobs, ${sizeText(total)} read`)
    } else if (name === layout.INDEX_FILE) {
      index = entriesIn(await wholeOf(entry, layout.LONGEST_INDEX))
      await indexed(index)
    } else if (name.startsWith('blobs/')) {
      throw new Error(`${name.slice(0, 200)} is no blob: the name must be of a sha256 or sha512 digest`)
    } else if (name === layout.DOCKER_FILE) {
      isDocker = true
    }
  }
  if (index === undefined) {
    throw new Error(
      isDocker
        ? 'the archive has no index.json: Docker before 25 saved it, convert it: skopeo copy docker-archive:FILE oci-archive:NEW'
        : 'the archive has no index.json: it is no OCI layout',
    )
  }
  return { ...index, blobs }

  /** Hashes it, and stores it unless it is stored. */
  async function stageBlob(digest: Digest, entry: ReadEntry): Promise<void> {
    const whole = entry.size <= LONGEST_MANIFEST ? await wholeOf(entry, LONGEST_MANIFEST) : undefined
    const pieces = whole === undefined ? entry.body : [whole]
    const { size } = entry
    if ((await store.stat(digest)) !== undefined) {
      const hash = hasherFor(digest)
      for await (const piece of pieces) hash.update(piece)
      if (digestFrom(hash, digest) !== digest) throw damaged(digest)
      return
    }
    await growing(total + size)
    const mediaType = (whole && manifestTypeOf(whole)) ?? OCTET_STREAM
    await using ingest = await store.ingest({ digest, size, mediaType, origin: 'import' })
    let position = 0
    for await (const piece of pieces) {
      signal.throwIfAborted()
      await ingest.write(piece, position, size)
      position += piece.length
    }
    try {
      await ingest.verify(size)
    } catch (error) {
      if (isRegistryError(error, 'UPSTREAM_INVALID')) throw damaged(digest, error)
      throw error
    }
    await ingest.commit()
    added(digest, size)
  }
}

/** Of a file without `./`. @throws Error for what no archive of images has */
function nameOf({ name: written, type }: ReadEntry): string {
  const name = written.replace(/^(?:\.\/)+/, '').replace(/\/$/, '')
  const shown = JSON.stringify(written.slice(0, 200))
  if (type !== 'file' && type !== 'directory') throw new Error(`${shown} is a ${type}, and not a file`)
  const isPlain = !/[\\\p{Cc}]/u.test(name) && !name.startsWith('/')
  if (!isPlain || name.split('/').includes('..')) throw new Error(`${shown} is a path that leads elsewhere`)
  return name
}

async function wholeOf({ name, size, body }: ReadEntry, longest: number): Promise<Buffer> {
  if (size > longest) throw new Error(`${name} has ${size} bytes, more than ${longest}`)
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces)
}

function damaged(digest: Digest, cause?: unknown): Error {
  return new Error(`${layout.blobFile(digest)} is damaged: its bytes have another digest`, { cause })
}

/** What a manifest says it is, or looks like; undefined for what is none. */
function manifestTypeOf(bytes: Buffer): string | undefined {
  // A layer or a picture is told from JSON by its first byte.
  if (!/^\s*\{/.test(bytes.subarray(0, 64).toString('latin1'))) return undefined
  const { schemaVersion, mediaType, manifests, config, layers } = parseManifest(bytes) ?? {}
  if (schemaVersion !== 2) return undefined
  const named = typeof mediaType === 'string' ? essenceOf(mediaType) : undefined
  if (named !== undefined) return named
  if (Array.isArray(manifests)) return OCI_INDEX
  return Array.isArray(layers) && jsonObject(config) !== undefined ? OCI_MANIFEST : undefined
}

/** What is above holds everybody up while it is parsed. */
const INDEX_LIMITS = { references: 2 * layout.MOST_ENTRIES, nesting: 16, values: 12 * layout.MOST_ENTRIES }

function entriesIn(index: Buffer): Pick<StagedArchive, 'entries' | 'annotations'> {
  const excess = excessIn(index, INDEX_LIMITS)
  if (excess !== undefined) throw new Error(`index.json has ${excess}`)
  const { manifests, annotations } = parseJsonObject(index) ?? {}
  if (!Array.isArray(manifests)) throw new Error('index.json lists no manifests')
  return {
    annotations: textsIn(annotations),
    entries: manifests.map((value, i) => {
      const { digest, mediaType, size, annotations: own } = Object(value) as Record<string, unknown>
      if (typeof digest !== 'string' || !isDigest(digest))
        throw new Error(`entry ${i + 1} of index.json has no digest`)
      return { digest, mediaType: String(mediaType), size: Number(size), annotations: textsIn(own) }
    }),
  }
}

function textsIn(value: unknown): layout.Annotations {
  const object = jsonObject(value) ?? {}
  return Object.fromEntries(
    Object.entries(object).filter(([, text]) => typeof text === 'string'),
  ) as layout.Annotations
}
