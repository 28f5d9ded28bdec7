import type { Manifest } from '../oci/descriptor.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { isRegistryError, type RegistryError } from '../oci/errors.ts'
import { type ManifestPart, type Part, partsIn } from '../oci/manifest-parts.ts'
import type { Repository } from '../ports/repository.ts'
import { parseJsonObject } from '../util/json-object.ts'
import { lookAhead } from '../util/async/look-ahead.ts'
import { selectPlatforms } from './select-platforms.ts'

/** One manifest of an image. */
export interface WalkedManifest {
  readonly kind: 'manifest'
  readonly manifest: Manifest
  /** As the index says; `attestation` for what describes another. undefined of an image without an index. */
  readonly platform: string | undefined
  /** The index that lists it, or the manifest that it refers to as its subject; undefined of the first one. */
  readonly parent: Digest | undefined
  readonly isReferrer: boolean
  /** Config and layers, each once. */
  readonly blobs: readonly Part[]
  /** Of an index: the manifests that were selected. */
  readonly children: readonly Digest[]
  /** Of an index: those that were not, because of their platforms. */
  readonly leftOut: readonly ManifestPart[]
}

/** A part of an image that cannot be had. */
export interface MissingPart {
  readonly kind: 'missing'
  /** `platform`: no manifest of the index is for it. `referrers`: those of `digest` are not known. */
  readonly what: 'manifest' | 'blob' | 'platform' | 'referrers' | 'rest'
  readonly digest: Digest | undefined
  readonly platform: string | undefined
  /** Bytes, where a manifest states them. */
  readonly size?: number
  /** Why it could not be found out; undefined = it does not exist there. */
  readonly error?: RegistryError
  /** It was read, and the store did not keep it. */
  readonly isUnstorable?: true
}

export interface WalkOptions {
  /** Patterns of `oci/platform.ts`. Left out: all platforms. */
  readonly platforms?: readonly string[] | undefined
  /** Also what refers to its manifests: signatures, lists of contents, and what refers to those. */
  readonly referrers?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** For whom, where clients take turns. */
  readonly client?: string | undefined
}

/** Manifests of one image. Real ones have some dozens. */
const MOST_MANIFESTS = 10_000
/** Indexes within each other, and referrers of referrers. */
const DEEPEST = 8
/** Manifests that are fetched before they are wanted. */
const AHEAD = 4

/**
 * Walks the manifests of the image `root`: from an index to its platforms, and on request to what refers to
 * them. They come in the order in which a registry takes them: those of an index before it, referrers after
 * their subject, each once. A repository of the cache fetches on the way what it has not stored, and one
 * without an upstream does not.
 *
 * What cannot be had is part of the walk, which goes on beside it.
 *
 * @throws the reason of the signal, and what is no RegistryError
 */
export async function* walkImage(
  { manifests, referrers }: Pick<Repository, 'manifests' | 'referrers'>,
  root: Digest,
  options: WalkOptions = {},
): AsyncGenerator<WalkedManifest | MissingPart> {
  const { signal, client, platforms } = options
  const read = { ...(signal && { signal }), ...(client !== undefined && { client }) }
  const seen = new Set<Digest>()
  yield* visit({ digest: root, platform: undefined }, await load(root), 0)

  interface Visited {
    readonly digest: Digest
    readonly platform: string | undefined
    readonly parent?: Digest
    readonly isReferrer?: boolean
  }

  async function* visit(
    { digest, platform, parent, isReferrer = false }: Visited,
    manifest: Manifest | undefined | { readonly error: RegistryError },
    depth: number,
  ): AsyncGenerator<WalkedManifest | MissingPart> {
    signal?.throwIfAborted()
    if (manifest === undefined || 'error' in manifest) {
      yield { kind: 'missing', what: 'manifest', digest, platform, ...manifest }
      return
    }
    const { manifests, content: blobs } = partsIn(manifest.body)
    // The platforms of what refers to an image are its own matter.
    const selected = selectPlatforms(manifests, isReferrer ? undefined : platforms)
    for (const platform of selected.unmatched) yield { kind: 'missing', what: 'platform', digest, platform }
    const children = selected.chosen.map(({ digest }) => digest)
    yield* below(
      selected.chosen.map(({ digest: child, platform }) => ({
        digest: child,
        platform,
        parent: digest,
        isReferrer,
      })),
      depth + 1,
    )
    const { leftOut } = selected
    yield { kind: 'manifest', manifest, platform, parent, isReferrer, blobs, children, leftOut }
    if (options.referrers === true) yield* referring(digest, platform, depth + 1)
  }

  async function* below(
    found: readonly Visited[],
    depth: number,
  ): AsyncGenerator<WalkedManifest | MissingPart> {
    const fresh = found.filter(({ digest }) => !seen.has(digest))
    if (fresh.length === 0) return
    if (depth > DEEPEST || seen.size + fresh.length > MOST_MANIFESTS) {
      yield { kind: 'missing', what: 'rest', digest: fresh[0]!.parent, platform: undefined }
      return
    }
    for (const { digest } of fresh) seen.add(digest)
    for await (const [one, manifest] of lookAhead(fresh, AHEAD, ({ digest }) => load(digest)))
      yield* visit(one, manifest, depth)
  }

  async function* referring(
    subject: Digest,
    platform: string | undefined,
    depth: number,
  ): AsyncGenerator<WalkedManifest | MissingPart> {
    const found = await answered(() => referrers.list(subject, read))
    if ('error' in found) {
      yield { kind: 'missing', what: 'referrers', digest: subject, platform, error: found.error }
      return
    }
    const digests = found.referrers.flatMap(({ text }) => {
      const digest: unknown = parseJsonObject(Buffer.from(text))?.['digest']
      return typeof digest === 'string' && isDigest(digest) ? [digest] : []
    })
    yield* below(
      digests.map((digest) => ({ digest, platform, parent: subject, isReferrer: true })),
      depth,
    )
  }

  function load(digest: Digest): Promise<Manifest | undefined | { readonly error: RegistryError }> {
    seen.add(digest)
    return answered(async () => manifests.get(digest, read))
  }
}

async function answered<T>(ask: () => Promise<T>): Promise<T | { readonly error: RegistryError }> {
  try {
    return await ask()
  } catch (error) {
    if (!isRegistryError(error)) throw error
    return { error }
  }
}
