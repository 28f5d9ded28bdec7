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

/** What says that something does not exist is the store, where the upstream is never asked. */
export function offlineWhy(upstream: string): string {
  return `it is not stored, and ${upstream} is offline`
}

/**
 * Why a part of an image is missing, in one clause.
 *
 * @param isOffline the upstream is never asked
 */
export function missingWhy(
  { what, error, isUnstorable }: MissingPart,
  upstream: string,
  explain: Explain,
  isOffline: boolean,
): string {
  if (isUnstorable === true) return 'the store has not kept it'
  if (isOffline && error === undefined && (what === 'manifest' || what === 'blob'))
    return offlineWhy(upstream)
  return error === undefined ? REASONS[what](upstream) : `${upstream} ${explain(upstream, error)}`
}
