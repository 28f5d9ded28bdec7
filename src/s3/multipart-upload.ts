import { createHash } from 'node:crypto'
import { digestFrom, hasherFor } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import { elementOf } from './element-of.ts'
import type { S3Client } from './s3-client.ts'
import { damaged, noBucket, readPart } from './uploading.ts'

export interface MultipartUpload {
  readonly client: S3Client
  readonly key: string
  readonly blob: BlobReader
  /** Bytes of every part but the last. */
  readonly partSize: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Uploads a blob in parts. S3 checks each part by its hash; the hash over all of them is checked here, before
 * the parts become an object. What fails leaves no parts behind, unless S3 cannot be reached: a lifecycle rule
 * of the bucket removes those.
 */
export async function multipartUpload({
  client,
  key,
  blob,
  partSize,
  signal,
}: MultipartUpload): Promise<void> {
  const { digest, size, mediaType } = blob.descriptor
  const uploadId = await begin(client, key, mediaType, signal)
  const parts: string[] = []
  try {
    const whole = hasherFor(digest)
    for (let start = 0; start < size; start += partSize) {
      const body = await readPart(blob, start, Math.min(partSize, size - start))
      whole.update(body)
      const response = await client.send('put-part', {
        method: 'PUT',
        key,
        query: { partNumber: String(parts.length + 1), uploadId },
        body,
        sha256: createHash('sha256').update(body).digest('hex'),
        signal,
      })
      await response.body.dump()
      const etag = response.headers['etag']
      if (response.statusCode !== 200 || typeof etag !== 'string') throw lost(response.statusCode)
      parts.push(`<Part><PartNumber>${parts.length + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    }
    if (digestFrom(whole, digest) !== digest) throw damaged(digest)
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    const sha256 = createHash('sha256').update(body).digest('hex')
    const done = await client.send('complete', {
      method: 'POST',
      key,
      query: { uploadId },
      body,
      sha256,
      signal,
    })
    // It answers 200 before it is done, and tells a failure in the document.
    const answer = await done.body.text()
    if (done.statusCode !== 200 || answer.includes('<Error>'))
      throw lost(done.statusCode, elementOf(answer, 'Code'))
  } catch (error) {
    await abandon(client, key, uploadId)
    throw error
  }
}

async function begin(
  client: S3Client,
  key: string,
  mediaType: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const headers = { 'content-type': mediaType }
  const response = await client.send('create', {
    method: 'POST',
    key,
    query: { uploads: '' },
    headers,
    signal,
  })
  const uploadId = elementOf(await response.body.text(), 'UploadId')
  if (response.statusCode === 404) throw noBucket('create')
  if (uploadId === undefined) throw lost(response.statusCode)
  return uploadId
}

async function abandon(client: S3Client, key: string, uploadId: string): Promise<void> {
  try {
    const response = await client.send('abort', { method: 'DELETE', key, query: { uploadId } })
    await response.body.dump()
  } catch (error) {
    // The failure that led here is the one to tell.
    if (!(error instanceof RegistryError)) throw error
  }
}

function lost(status: number, code?: string): RegistryError {
  return new RegistryError('UPSTREAM_UNAVAILABLE', {
    upstream: 's3',
    status,
    reason: code ?? 'the upload is no longer known',
  })
}
