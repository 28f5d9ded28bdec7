import { isRegistryError } from '../oci/errors.ts'

/** How the errors of the decoder begin. */
const NO_TAR = /^(?:Invalid (?:tar|EOF)|Tar |TAR )/

/** What is wrong with the compression or the tar, and that the store is full, in words. */
export function explained(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (typeof code === 'string' && /^(?:Z_|ZSTD_|ERR_ZLIB)/.test(code))
    return new Error(`the archive is truncated or damaged (${code})`, { cause: error })
  if (error instanceof Error && NO_TAR.test(error.message))
    return new Error(`this is no tar archive, or not a whole one (${error.message.replace(/\.$/, '')})`, {
      cause: error,
    })
  if (!isRegistryError(error, 'STORAGE')) return error
  const { reason } = error.detail
  return new Error(
    `the store cannot take the archive in (${reason ?? 'see the log'}): nothing of it is kept`,
    {
      cause: error,
    },
  )
}
