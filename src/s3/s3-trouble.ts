import type { RegistryError } from '../oci/errors.ts'
import type { Trouble } from '../ports/insight/insight.ts'

const ENDPOINT = 'check storage.s3.endpoint, and that the service runs'
const KEYS = 'correct storage.s3.accessKeyId and its secret'
/** The answer to a HEAD has no body, so that it does not tell a wrong key from one that may not. */
const RIGHTS = 'let the keys, or the role, do what docs/replicas.md lists'
const ROOM = 'give the bucket more room, or set storage.s3.maxSize below what it may hold'

/** By the code of S3, of the system or of undici. */
const ADVICE: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: KEYS,
  SignatureDoesNotMatch: KEYS,
  RequestTimeTooSkewed: 'set the clock of this machine',
  QuotaExceeded: ROOM,
  InsufficientStorage: ROOM,
  NoSuchBucket: 'make the bucket, or correct storage.s3.bucket',
  'no such bucket': 'make the bucket, or correct storage.s3.bucket',
  ENOTFOUND: 'check the host in storage.s3.endpoint, and the resolver of this machine',
  SlowDown: 'it limits requests by itself: wait',
}

/** What a bucket does not do, and what to do about it. `isUpload`: uploads fail. */
export function s3Trouble({ code, detail }: RegistryError, isUpload: boolean): Trouble {
  const { operation, status, reason } = detail
  const why = [status, reason].filter((part) => part !== undefined).join(' ')
  const does =
    code === 'UPSTREAM_DENIED'
      ? `refuses \`${operation}\``
      : code === 'UPSTREAM_TIMEOUT'
        ? 'does not answer in time'
        : status === undefined
          ? 'does not answer'
          : `fails at \`${operation}\``
  const byReason = typeof reason === 'string' ? ADVICE[reason] : undefined
  const rights = reason === undefined ? `${KEYS}, or ${RIGHTS}` : RIGHTS
  const otherwise = code === 'UPSTREAM_DENIED' ? rights : ENDPOINT
  return {
    said: `storage.s3 ${does} (${why})${isUpload ? ': what is new is kept here and uploaded later' : ''}`,
    advice: byReason ?? (status === 507 ? ROOM : otherwise),
  }
}
