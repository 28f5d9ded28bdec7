import type { Digest } from '../oci/digest.ts'
import type { LayerFacts } from '../ports/conversions.ts'

/** A layer whose bytes were read. */
export interface MeasuredLayer extends LayerFacts {
  /** Of the blob as it is stored and pulled. */
  readonly digest: Digest
  /** Bytes of that. */
  readonly size: number
}
