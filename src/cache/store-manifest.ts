import { setTimeout as sleep } from 'node:timers/promises'
import type { Descriptor, Manifest } from '../oci/descriptor.ts'
import type { BlobStore } from '../ports/blob-store.ts'

/** Bytes that are written and hashed in one turn of the event loop, */
const AT_ONCE = 128 * 1024
/** and the milliseconds until the next ones, which leave most of the time to others. */
const PAUSE = 2

/**
 * Stores a verified manifest, in steps: it may have megabytes. `origin`: who has sent it.
 *
 * @throws RegistryError STORAGE
 */
export async function storeManifest(
  local: Pick<BlobStore, 'ingest'>,
  { descriptor, body }: Manifest,
  origin: string,
): Promise<Descriptor> {
  await using ingest = await local.ingest({ ...descriptor, origin })
  for (let from = 0; from < body.length; from += AT_ONCE) {
    if (from > 0) await sleep(PAUSE)
    await ingest.write(body.subarray(from, from + AT_ONCE), from)
  }
  await ingest.verify(body.length)
  return await ingest.commit()
}
