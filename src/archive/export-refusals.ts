import { type Explain, missingWhy } from '../images/missing-why.ts'
import type { MissingPart } from '../images/walk-image.ts'
import { imageText } from '../oci/image-pattern.ts'
import type { Image } from '../ports/operations.ts'
import type { Repository } from '../ports/repository.ts'

/** Missing parts that a refusal names. */
const MOST_NAMED = 10

/** `blob linux/arm64 sha256:…: docker.io does not have it` */
export function partText(
  part: MissingPart,
  { name }: Repository,
  explain: Explain,
  isOffline: boolean,
): string {
  const named = [part.what, part.platform, part.digest].filter(Boolean).join(' ')
  return `${named}: ${missingWhy(part, name.upstream, explain, isOffline)}`
}

/** That an image cannot be exported as a whole. */
export function refusal(image: Image, reasons: readonly string[]): string {
  const more = reasons.length > MOST_NAMED ? `\n  and ${reasons.length - MOST_NAMED} more` : ''
  return `${imageText(image)} is incomplete:\n  ${reasons.slice(0, MOST_NAMED).join('\n  ')}${more}`
}

export function tooMany(images: number): Error {
  return new Error(`${images} images are too many for one archive: export them in parts`)
}
