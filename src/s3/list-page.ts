import { isDigest } from '../oci/digest.ts'
import type { RemoteBlob } from '../ports/remote-blobs.ts'
import { elementOf } from './element-of.ts'
import type { S3Client } from './s3-client.ts'
import { noBucket } from './uploading.ts'

const OBJECT = /<Contents>(.*?)<\/Contents>/gs

/** The blobs under a prefix after a page, in pages of a thousand; an empty `after` begins. */
export async function listPage(
  client: S3Client,
  under: string,
  after: string,
): Promise<{ readonly blobs: RemoteBlob[]; readonly next: string | undefined }> {
  const query = { 'list-type': '2', prefix: under, ...(after !== '' && { 'continuation-token': after }) }
  const response = await client.send('list', { method: 'GET', key: '', query })
  const text = await response.body.text()
  if (response.statusCode !== 200) throw noBucket('list')
  const blobs: RemoteBlob[] = []
  for (const [, object] of text.matchAll(OBJECT)) {
    const [key, size, storedAt] = ['Key', 'Size', 'LastModified'].map(
      (name) => elementOf(object!, name) ?? '',
    )
    const parts = key!.slice(under.length).split('/')
    const digest = `${under.split('/').at(-2)}:${parts.at(-1)}`
    if (isDigest(digest)) blobs.push({ digest, size: Number(size), storedAt: Date.parse(storedAt!) })
  }
  return { blobs, next: elementOf(text, 'NextContinuationToken') }
}
