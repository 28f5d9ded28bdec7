import { LIGHT } from './reading-pace.ts'

/** References of a manifest that weigh nothing: images have up to 127 layers. */
const LIGHT_REFERENCES = 128
/**
 * Bytes of a list that take the processors for about as long as one reference, which is read, recorded in the
 * index, and removed from it again.
 */
const REFERENCE = 1024

/**
 * Makes a function that takes the length of each piece of one answer, and tells what it adds to the weight of the
 * answer, if anything. See `UpstreamTelemetry.weighed`.
 */
export function weighing(weighed: (weight: number) => void): (bytes: number) => void {
  let left = LIGHT
  return (bytes) => {
    const heavy = bytes - left
    left = Math.max(0, -heavy)
    if (heavy > 0) weighed(heavy)
  }
}

/** What a manifest weighs besides its bytes. */
export function weightOfReferences(count: number): number {
  return Math.max(0, count - LIGHT_REFERENCES) * REFERENCE
}
