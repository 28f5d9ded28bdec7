import { createHash } from 'node:crypto'
import { ALGORITHMS, algorithmOf, type Digest, hasherFor, digestFrom, hexOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'

import type { RemoteBlob, RemoteBlobs } from '../ports/remote-blobs.ts'
import type { BlobBody } from '../ports/upstream.ts'
import { ChunkIterator } from '../util/async/chunk-iterator.ts'
import type { Interval } from '../util/interval-set.ts'
import { listPage } from './list-page.ts'
import { multipartUpload } from './multipart-upload.ts'
import { damaged, noBucket, readPart } from './uploading.ts'
import type { S3Client, S3Response } from './s3-client.ts'

export interface S3BlobsOptions {
  readonly client: S3Client
  /** Before every key: empty, or with a slash at its end. */
  readonly prefix: string
  /** Larger blobs are uploaded in parts of at least this size. Bytes; S3 takes no parts below 5 MiB. */
  readonly partSize?: number
  /** The origin at which clients reach the service. Omitted: that of the service. */
  readonly publicEndpoint?: string | undefined
  /** The service refuses to overwrite an object, as RFC 9110 says of `If-None-Match: *`. Asked each time. */
  readonly refusesToOverwrite: () => boolean
}

/** One part is in memory at a time, and hashed in one go: it takes a few milliseconds. */
const PART_SIZE = 8 * 1024 * 1024
/** Milliseconds that a pull waits to learn whether a blob is there, before it asks upstream instead. */
const STAT_TIMEOUT = 1_500
/** Seconds that a client may begin to fetch a blob by its URL. */
const URL_LIFETIME = 300
/** Below the 10,000 that S3 takes, because the size of a part is rounded. */
const MOST_PARTS = 9_000

/** Blobs as objects `blobs/<algorithm>/ab/<hex>`. Their media type is the `Content-Type`. */
export function s3Blobs({ client, prefix, partSize = PART_SIZE, ...options }: S3BlobsOptions): RemoteBlobs {
  const keyOf = (digest: Digest): string => {
    const hex = hexOf(digest)
    return `${prefix}blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`
  }

  return {
    async stat(digest, signal) {
      const response = await client.send('stat', {
        method: 'HEAD',
        key: keyOf(digest),
        signal,
        timeout: STAT_TIMEOUT,
      })
      await response.body.dump()
      const size = Number(response.headers['content-length'])
      if (response.statusCode !== 200 || !Number.isSafeInteger(size)) return undefined
      return { digest, size, mediaType: mediaTypeOf(response) }
    },

    async open(digest, range, signal) {
      const key = keyOf(digest)
      const headers = range && {
        range: `bytes=${range.start ?? 0}-${range.end === undefined ? '' : range.end - 1}`,
      }
      const response = await client.send('get', { method: 'GET', key, signal, ...(headers && { headers }) })
      if (response.statusCode === 200 || response.statusCode === 206) return bodyOf(client, response)
      await response.body.dump()
      if (response.statusCode === 416)
        throw new RegistryError('RANGE_INVALID', { upstream: 's3', status: 416 })
      return undefined
    },

    locate: (digest) => client.presign(keyOf(digest), URL_LIFETIME, options.publicEndpoint),

    async put(blob, signal) {
      const { digest, size, mediaType } = blob.descriptor
      const length = Math.max(partSize, Math.ceil(size / MOST_PARTS))
      if (size > length) {
        await multipartUpload({ client, key: keyOf(digest), blob, partSize: length, signal })
        return
      }
      const body = await readPart(blob, 0, size)
      if (digestFrom(hasherFor(digest).update(body), digest) !== digest) throw damaged(digest)
      const response = await client.send('put', {
        method: 'PUT',
        key: keyOf(digest),
        body,
        sha256: sha256Of(digest, body),
        headers: {
          'content-type': mediaType,
          ...(options.refusesToOverwrite() && { 'if-none-match': '*' }),
        },
        signal,
      })
      await response.body.dump()
      // 412: another replica was faster, with the same bytes.
      if (response.statusCode === 404) throw noBucket('put')
    },

    async touch(digest) {
      const key = keyOf(digest)
      const found = await client.send('stat', { method: 'HEAD', key })
      await found.body.dump()
      if (found.statusCode !== 200) return
      // Copying an object onto itself takes new metadata.
      const headers = {
        'x-amz-copy-source': client.pathOf(key),
        'x-amz-metadata-directive': 'REPLACE',
        'content-type': mediaTypeOf(found),
      }
      const response = await client.send('touch', { method: 'PUT', key, headers })
      await response.body.dump()
    },

    async delete(...digests) {
      for (const digest of digests) {
        const response = await client.send('delete', { method: 'DELETE', key: keyOf(digest) })
        await response.body.dump()
      }
    },

    async *list() {
      for (const algorithm of ALGORITHMS) {
        const under = `${prefix}blobs/${algorithm}/`
        for (let after: string | undefined = ''; after !== undefined;) {
          const page: { readonly blobs: RemoteBlob[]; readonly next: string | undefined } = await listPage(
            client,
            under,
            after,
          )
          if (page.blobs.length > 0) yield page.blobs
          after = page.next
        }
      }
    },
  }
}

function sha256Of(digest: Digest, body: Buffer): string {
  return algorithmOf(digest) === 'sha256' ? hexOf(digest) : createHash('sha256').update(body).digest('hex')
}

function mediaTypeOf({ headers }: S3Response): string {
  return typeof headers['content-type'] === 'string' ? headers['content-type'] : OCTET_STREAM
}

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/

/** @throws RegistryError UPSTREAM_INVALID when the answer does not say which bytes it has. */
function bodyOf(client: S3Client, { statusCode, headers, body }: S3Response): BlobBody {
  const range = CONTENT_RANGE.exec(String(headers['content-range']))
  if (statusCode === 206 && range === null) {
    body.destroy()
    throw new RegistryError('UPSTREAM_INVALID', {
      upstream: 's3',
      reason: 'partial content without its range',
    })
  }
  const place: Interval = range
    ? { start: Number(range[1]), end: Number(range[3]) }
    : { start: 0, end: Number(headers['content-length']) }
  return {
    start: place.start,
    ...(Number.isSafeInteger(place.end) && { total: place.end }),
    ranges: true,
    [Symbol.asyncIterator]: () => new ChunkIterator(body, (error) => client.failure('get', error)),
  }
}
