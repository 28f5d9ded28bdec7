import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Digest, parseDigest } from '../../src/oci/digest.ts'
import { filesystemStore } from '../../src/storage/filesystem-store.ts'
import { type Blob, blobOf } from '../../test/support/fixtures.ts'

const HOUR = 3_600_000
const repository = { upstream: 'docker.io', name: 'library/app' }

/**
 * A store of `count` objects that were used within the last hour, and of `expired` with files of 1 KiB that were not. The first are
 * rows without files: nobody asks for them. `warm` is whole.
 */
export async function millionObjects(
  root: string,
  count: number,
  expired: number,
  warm: Blob,
): Promise<void> {
  const now = Date.now()
  {
    await using store = await storeAt(root, now - 2 * HOUR)
    for (let i = 0; i < expired; i++) await put(store, blobOf(1024, i + 1))
  }
  {
    await using store = await storeAt(root, now)
    await put(store, warm)
    await store.links.add(repository, warm.digest)
  }
  using index = new DatabaseSync(join(root, 'index.sqlite'))
  const content = index.prepare(
    `INSERT INTO content (digest, size, media_type, stored_at, last_used) VALUES (?, ?, 'application/octet-stream', ?, ?)`,
  )
  const link = index.prepare('INSERT INTO links (upstream, repository, digest) VALUES (?, ?, ?)')
  index.exec('PRAGMA synchronous = OFF; BEGIN')
  const digests = Array.from({ length: count }, (_, i) => syntheticDigest(i)).toSorted()
  for (const [i, digest] of digests.entries()) {
    const used = now - ((i * 7919) % 3_000) * 1_000
    content.run(digest, i % 3 === 0 ? 2_000_000 : 2_000, used, used)
    link.run('docker.io', `library/app-${i % 5_000}`, digest)
  }
  index.exec('COMMIT')
}

function syntheticDigest(number: number): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(String(number)).digest('hex')}`)
}

async function storeAt(root: string, instant: number) {
  const telemetry = { evicted() {}, failed: fail }
  const store = await filesystemStore({ root, telemetry, now: () => instant })
  return { ...store, [Symbol.asyncDispose]: () => store.close() }
}

function fail(operation: string): never {
  throw new Error(`${operation} failed`)
}

async function put({ blobs }: Awaited<ReturnType<typeof storeAt>>, { bytes, digest }: Blob): Promise<void> {
  await using ingest = await blobs.ingest({ digest, size: bytes.length })
  await ingest.write(bytes, 0)
  await ingest.verify(bytes.length)
  await ingest.commit()
}
