import { createHash, randomUUID } from 'node:crypto'
import { RegistryError } from '../oci/errors.ts'
import type { S3Client } from './s3-client.ts'

/** What an S3 service does of what it should. Many leave some of it out. */
export interface S3Abilities {
  /** It keeps an object that `If-None-Match: *` is not to overwrite. */
  readonly refusesToOverwrite: boolean
  /** It refuses bytes that do not have the announced SHA-256. Without it, uploads are not verified by it. */
  readonly verifiesUploads: boolean
  /** It answers ranges with the bytes that were asked for. Without it, it is of no use here. */
  readonly hasRanges: boolean
}

const BODY = Buffer.from('entrepot probes what this service can do')

/**
 * Tries them on an object of its own, which it removes.
 *
 * @throws RegistryError UPSTREAM_UNAVAILABLE, UPSTREAM_TIMEOUT or UPSTREAM_DENIED
 */
export async function probeAbilities(client: S3Client, prefix: string): Promise<S3Abilities> {
  const key = `${prefix}probe/${randomUUID()}`
  const sha256 = createHash('sha256').update(BODY).digest('hex')
  const put = async (body: Buffer, headers: Record<string, string> = {}): Promise<number> => {
    const response = await client.send('probe', { method: 'PUT', key, body, sha256, headers })
    await response.body.dump()
    return response.statusCode
  }
  if ((await put(BODY)) === 404) {
    throw new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: 's3', status: 404, reason: 'no such bucket' })
  }
  try {
    const refusesToOverwrite = await isRefused(put(BODY, { 'if-none-match': '*' }), 409, 412)
    const verifiesUploads = await isRefused(put(Buffer.from(BODY.toReversed())), 400, 403)
    const part = await client.send('probe', { method: 'GET', key, headers: { range: 'bytes=9-14' } })
    const bytes = Buffer.from(await part.body.arrayBuffer())
    return {
      refusesToOverwrite,
      verifiesUploads,
      hasRanges: part.statusCode === 206 && bytes.equals(BODY.subarray(9, 15)),
    }
  } finally {
    const removed = await client.send('probe', { method: 'DELETE', key })
    await removed.body.dump()
  }
}

/** A refusal is what is asked for here; that S3 is away is not. */
async function isRefused(sending: Promise<number>, ...by: readonly number[]): Promise<boolean> {
  try {
    return by.includes(await sending)
  } catch (error) {
    const status = error instanceof RegistryError ? error.detail['status'] : undefined
    if (typeof status === 'number' && (status < 500 || status === 501)) return by.includes(status)
    throw error
  }
}
