import { type Digest, isDigest } from '../oci/digest.ts'
import { excessIn } from '../oci/manifest-json.ts'
import { jsonObject, parseJsonObject } from '../util/json-object.ts'
import { InvalidImageError } from './invalid-image.ts'

/**
 * A schema 1 manifest: distribution's docs/content/spec/deprecated-schema-v1.md. Images of the v1 API are made
 * such manifests, which carry the same JSON.
 */
export interface Schema1Manifest {
  /** The image JSON of each layer, newest first, as text. */
  readonly history: readonly string[]
  /** The digests of its layers, as many, in the same order. A layer may come more than once. */
  readonly layers: readonly Digest[]
  /** Of an image whose JSON does not say it. */
  readonly architecture: string | undefined
}

/** @throws RegistryError UPSTREAM_INVALID */
export function readSchema1(payload: Buffer): Schema1Manifest {
  const excess = excessIn(payload)
  if (excess !== undefined) throw new InvalidImageError(`it has ${excess}`)
  const document = parseJsonObject(payload)
  if (document?.['schemaVersion'] !== 1) throw new InvalidImageError('its schemaVersion is not 1')
  const { architecture } = document
  return {
    history: entriesOf(document['history'], 'history').map((entry, i) => {
      const text = jsonObject(entry)?.['v1Compatibility']
      if (typeof text !== 'string') throw new InvalidImageError(`history entry ${i} has no v1Compatibility`)
      return text
    }),
    layers: entriesOf(document['fsLayers'], 'fsLayers').map((entry, i) => {
      const digest = jsonObject(entry)?.['blobSum']
      if (typeof digest !== 'string' || !isDigest(digest))
        throw new InvalidImageError(`the blobSum of layer ${i} is no digest`)
      return digest
    }),
    architecture: typeof architecture === 'string' && architecture !== '' ? architecture : undefined,
  }
}

function entriesOf(value: unknown, key: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidImageError(`its ${key} is no list`)
  return value
}
