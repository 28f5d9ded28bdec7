import type { LayerFacts } from '../../ports/conversions.ts'

/** What the thread of the layer meter is told. `id` names the layer. */
export type MeterTask =
  | { readonly id: number; readonly mostBytes: number }
  /** The next bytes. Their memory comes back. */
  | { readonly id: number; readonly piece: Uint8Array }
  | { readonly id: number; readonly end: true }
  | { readonly id: number; readonly forget: true }

export type MeterAnswer =
  | { readonly id: number; readonly piece: ArrayBuffer }
  | { readonly id: number; readonly facts: LayerFacts | TarProblem }

export interface TarProblem {
  /** A clause about the layer: "is longer than …". */
  readonly problem: string
}
