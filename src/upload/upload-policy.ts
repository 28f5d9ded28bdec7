/** The decisions about uploads that need no state of theirs. Sizes in bytes, times in milliseconds. */
import { isRegistryError } from '../oci/errors.ts'
import type { UploadSource } from '../ports/moving/upload-sources.ts'

export interface UploadPolicy {
  /** The wait after the first failure. Each later one is longer by as much. */
  readonly retryDelay: number
  /** The most bytes to send in one request. */
  readonly chunk: number
}

export const UPLOAD_POLICY: UploadPolicy = {
  retryDelay: 5_000,
  // Gateways refuse bodies of 100 MB and more. A chunk that breaks off is continued, not sent again.
  chunk: 64 * 1024 * 1024,
}

const SMALL = 100 * 1024
const MIDDLE = 10 * 1024 * 1024

/** How often an upload may try to do without its bytes. */
export interface Budget {
  readonly mounts: number
  /** Requests whether the repository has the blob. */
  readonly checks: number
  /** Such a request is worth while although nothing tells that the repository has it. */
  readonly checksUnknown: boolean
}

/**
 * By size, as Docker's engine has it: sending a small blob costs hardly more than asking about it. A large one
 * may be asked for again when its session was lost.
 */
export function budgetOf(size: number): Budget {
  if (size <= SMALL) return { mounts: 1, checks: 1, checksUnknown: false }
  if (size <= MIDDLE) return { mounts: 3, checks: 1, checksUnknown: true }
  return { mounts: 4, checks: 3, checksUnknown: true }
}

/** Failures in a row after which an upload is given up. */
export const ATTEMPTS = 5
/** A destination that takes no more in one request takes no blobs. */
export const LEAST_CHUNK = 64 * 1024
/** The longest wait that a destination may ask for. */
const LONGEST_WAIT = 300_000

/**
 * Whether and when to try again after `failures` in a row. `random`: 0 to 1, for a spread of ± 50 %, so that
 * many uploads do not come back at once.
 *
 * @returns milliseconds; undefined to give up
 */
export function retryIn(
  { retryDelay }: UploadPolicy,
  error: unknown,
  failures: number,
  random: number,
): number | undefined {
  if (!isPassing(error) || failures >= ATTEMPTS) return undefined
  const own = retryDelay * failures * (0.5 + random)
  const retryAfter = isRegistryError(error) ? Number(error.detail['retryAfter'] ?? 0) * 1000 : 0
  return retryAfter > LONGEST_WAIT ? undefined : Math.max(own, retryAfter * (1 + random / 10))
}

/** A wrong scheme, a certificate that is not trusted, a name that does not exist: somebody has to mend them. */
const STAYS = /^ERR_(?:SSL|TLS)_|^CERT_|SELF_SIGNED|^UNABLE_TO_|^ENOTFOUND$/

function isPassing(error: unknown): boolean {
  if (isRegistryError(error) && STAYS.test(String(error.detail['reason']))) return false
  // The last one is our own queue of downloads: what is pushed has to be fetched first.
  return isRegistryError(
    error,
    'UPSTREAM_UNAVAILABLE',
    'UPSTREAM_TIMEOUT',
    'UPSTREAM_LIMITED',
    'TOOMANYREQUESTS',
  )
}

/**
 * The repositories that a blob may be mounted from, best first: those that were written with the same
 * credentials, then those that share most of the path, then the youngest.
 *
 * @param sources youngest first
 * @param isOurs whether it was seen with the credentials that are used now
 */
export function rankSources(
  sources: readonly UploadSource[],
  target: string,
  isOurs: (source: UploadSource) => boolean,
): readonly UploadSource[] {
  return sources
    .filter(({ repository }) => repository !== target)
    .map((source, age) => ({
      source,
      age,
      isOurs: isOurs(source),
      shared: sharedComponents(source.repository, target),
    }))
    .toSorted((a, b) => Number(b.isOurs) - Number(a.isOurs) || b.shared - a.shared || a.age - b.age)
    .map(({ source }) => source)
}

function sharedComponents(one: string, other: string): number {
  const components = other.split('/')
  const different = one.split('/').findIndex((component, i) => component !== components[i])
  return different < 0 ? components.length : different
}
