import type { RegistryError } from '../oci/errors.ts'
import type { MissingPart } from './walk-image.ts'

/** Why an upstream failed: a clause that follows its name. */
export type Explain = (upstream: string, error: RegistryError) => string

const REASONS: Readonly<Record<MissingPart['what'], (upstream: string) => string>> = {
  manifest: (upstream) => `${upstream} does not have it`,
  blob: (upstream) => `${upstream} does not have it`,
  referrers: (upstream) => `${upstream} does not tell them`,
  platform: () => 'the image has no such platform',
  rest: () => 'the image has too many manifests',
}

/** Why a part of an image is missing, in one clause. */
export function missingWhy(
  { what, error, isUnstorable }: MissingPart,
  upstream: string,
  explain: Explain,
): string {
  if (isUnstorable === true) return 'the store has not kept it'
  return error === undefined ? REASONS[what](upstream) : `${upstream} ${explain(upstream, error)}`
}
