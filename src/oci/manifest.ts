import type { Descriptor, Manifest, ManifestReferences } from './descriptor.ts'
import { type Digest, isDigest } from './digest.ts'
import { parseManifest } from './manifest-json.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import type { JsonObject } from '../util/json-object.ts'

/** What a manifest refers to; nothing when it is no JSON, of another kind, or beyond the limits. */
export function referencesIn({
  body,
  references,
}: Pick<Manifest, 'body' | 'references'>): ManifestReferences {
  return references ?? referencesOf(parseManifest(body) ?? {})
}

/** What a manifest refers to; nothing when it is of another kind. */
export function referencesOf(document: JsonObject): ListedReferences {
  const found = new FoundReferences()
  for (const value of contentOf(document)) found.addContent(value)
  for (const value of othersOf(document)) found.addOther(value)
  return found.all
}

/** References between two looks at the clock. */
const STEP = 256

/** As `referencesOf`, with turns of the event loop in between: there may be thousands. */
export async function collectReferences(document: JsonObject): Promise<ManifestReferences> {
  const pause = yieldEvery()
  const found = new FoundReferences()
  for (const [i, value] of contentOf(document).entries()) {
    found.addContent(value)
    if (i % STEP === STEP - 1) await pause()
  }
  for (const [i, value] of othersOf(document).entries()) {
    found.addOther(value)
    if (i % STEP === STEP - 1) await pause()
  }
  return found.all
}

interface ListedReferences extends ManifestReferences {
  readonly digests: readonly Digest[]
}

class FoundReferences {
  readonly #blobs: Pick<Descriptor, 'digest' | 'size'>[] = []
  readonly #digests = new Set<Digest>()

  get all(): ListedReferences {
    return { blobs: this.#blobs, digests: [...this.#digests] }
  }

  addContent(value: unknown): void {
    if (!this.addOther(value)) return
    const { digest, size } = value as Pick<Descriptor, 'digest' | 'size'>
    if (Number.isSafeInteger(size) && size >= 0) this.#blobs.push({ digest, size })
  }

  /** @returns whether it has a digest */
  addOther(value: unknown): boolean {
    const { digest } = Object(value) as { readonly digest?: unknown }
    if (typeof digest !== 'string' || !isDigest(digest)) return false
    this.#digests.add(digest)
    return true
  }
}

function contentOf({ config, layers, blobs }: JsonObject): readonly unknown[] {
  return [config, ...listed(layers), ...listed(blobs)]
}

function othersOf({ manifests, fsLayers }: JsonObject): readonly unknown[] {
  return [
    ...listed(manifests),
    ...listed(fsLayers).map((layer) => ({ digest: Object(layer).blobSum as unknown })),
  ]
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
