/**
 * What was made of stored images of schema 1, and what was learnt of their layers. It goes with that content:
 * whatever is forgotten can be made again, with the same bytes.
 */
import type { Digest } from '../oci/digest.ts'

/** The parts of a converted image that are stored beside its layers. */
export interface Conversion {
  readonly manifest: Digest
  readonly config: Digest
}

/** Conversions by the digest of what was converted. */
export interface ConversionIndex {
  /** undefined = it was not converted, or one of the three is not stored any more. */
  find(source: Digest): Promise<Conversion | undefined>
  /**
   * Records a conversion whose three parts are stored. The source then refers to its manifest: who uses, pins
   * or purges the one does so to the other.
   */
  add(source: Digest, conversion: Conversion): Promise<void>
  /** What is to be evicted with these sources, because nothing else was converted to it. */
  madeOf(sources: readonly Digest[]): Promise<readonly Digest[]>
}

/** What the bytes of a stored layer tell of it, besides its digest and size. */
export interface LayerFacts {
  /** Of the tar in it. */
  readonly diffId: Digest
  readonly isGzip: boolean
  /** The tar has nothing but zeros. */
  readonly isEmpty: boolean
}

export interface LayerFactsIndex {
  of(layer: Digest): Promise<LayerFacts | undefined>
  /** Does nothing when the layer is not stored. */
  add(layer: Digest, facts: LayerFacts): Promise<void>
}
