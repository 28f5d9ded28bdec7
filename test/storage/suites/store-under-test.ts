import type {
  ContentInventory,
  LinkIndex,
  TagHistory,
  TagIndex,
  TagPast,
} from '../../../src/ports/metadata.ts'
import type { BlobIngest, BlobReader, BlobStore } from '../../../src/ports/blob-store.ts'
import type { Blob } from '../../support/fixtures.ts'

export interface StoreUnderTest extends AsyncDisposable {
  readonly blobs: BlobStore<BlobReader>
  readonly inventory: ContentInventory
  readonly links: LinkIndex
  readonly tags: TagIndex & TagHistory & TagPast
}

/** Opens an empty store whose clock is `now`. */
export type OpenStore = (now: () => number) => Promise<StoreUnderTest>

export async function put(
  { blobs }: StoreUnderTest,
  { bytes, digest }: Blob,
  mediaType?: string,
): Promise<BlobIngest> {
  const expected = { digest, size: bytes.length, ...(mediaType !== undefined && { mediaType }) }
  const ingest = await blobs.ingest(expected)
  await ingest.write(bytes, 0)
  await ingest.verify(bytes.length)
  await ingest.commit()
  return ingest
}
