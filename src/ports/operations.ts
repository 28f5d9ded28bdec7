import type { ImageCatalogue, PinList } from './catalogue.ts'
import type { Verify } from './verification.ts'

/** What an operator does with a store: with one that is open here, or through the admin API of the process that has it. */
export interface Operations {
  readonly catalogue: ImageCatalogue
  readonly pins: PinList
  readonly verify: Verify
}
