import type { Digest } from '../oci/digest.ts'
import type { OpenedBlob } from '../ports/blob-store.ts'

/**
 * An image of before schema 2, as its registry tells it: the image JSON of every layer, the newest first, and the
 * layers beside them. A schema 1 manifest is one (`v1Compatibility` and `fsLayers`), and so is the v1 API
 * (`/v1/images/<id>/ancestry`, `/json` and `/layer`).
 *
 * The way from here to schema 2:
 *
 * 1. `readChain` checks the JSON, and tells which layers are empty without a look at them.
 * 2. `LayerMeter.measure` reads the bytes of each other layer once.
 * 3. `convertImage` makes config and manifest of the two: the same bytes for the same image, everywhere.
 */
export interface ImageSource {
  /** The image JSON of each layer, newest first, as text. */
  readonly history: readonly string[]
  /** As many, in the same order. A layer may come more than once. */
  readonly layers: readonly LayerSource[]
  /** Of an image whose JSON does not say it. Omitted: amd64. */
  readonly architecture?: string | undefined
}

/** A layer that is to be measured. */
export interface LayerSource {
  /** Names the layer in errors. Layers of the same name are the same, and measured once. */
  readonly name: string
  /** Its bytes, compressed or not. undefined = the registry does not have it. */
  open(signal: AbortSignal): Promise<OpenedBlob | undefined>
}

/** What its bytes tell of a layer. */
export interface MeasuredLayer {
  /** Of the blob as it is stored and pulled. */
  readonly digest: Digest
  /** Bytes of that. */
  readonly size: number
  /** Of the tar in it. */
  readonly diffId: Digest
  readonly isGzip: boolean
  /** The tar has nothing but zeros: it is the end of an archive without files, and no layer in schema 2. */
  readonly isEmpty: boolean
}
