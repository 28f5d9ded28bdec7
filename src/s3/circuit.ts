import { type ErrorDetail, RegistryError } from '../oci/errors.ts'

/**
 * Keeps requests away from a service that has just failed, so that a pull does not wait for it again and
 * again. One request at a time tries whether it is back.
 */
export interface Circuit {
  readonly isOpen: boolean
  /** @throws RegistryError UPSTREAM_UNAVAILABLE while no request may be sent. */
  check(detail: ErrorDetail): void
  succeeded(): void
  failed(): void
}

/** Milliseconds without requests after the first failure; each further one doubles them. */
const FIRST = 250
const LONGEST = 5_000

/** `now`: monotonic milliseconds. */
export function circuit(now: () => number): Circuit {
  let failures = 0
  let until = 0
  const wait = (): number => Math.min(LONGEST, FIRST * 2 ** (failures - 1))
  return {
    get isOpen() {
      return now() < until
    },
    check(detail) {
      if (now() < until) throw new RegistryError('UPSTREAM_UNAVAILABLE', { ...detail, reason: 'out' })
      // Others wait until this request has shown whether the service is back.
      if (failures > 0) until = now() + wait()
    },
    succeeded() {
      failures = 0
      until = 0
    },
    failed() {
      failures += 1
      until = now() + wait()
    },
  }
}
