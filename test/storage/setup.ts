import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isRegistryError } from '../../src/oci/errors.ts'
import type { BlobIngest } from '../../src/ports/blob-store.ts'
import {
  type FilesystemStore,
  filesystemStore,
  type FilesystemStoreOptions,
} from '../../src/storage/filesystem-store.ts'
import { type Blob, eventually } from '../support/fixtures.ts'
import { nothingOpenBelow } from '../support/leaks.ts'
import { readFrom } from '../support/rig.ts'
import { tempFolder } from '../support/temp-folder.ts'

export interface OpenStore extends FilesystemStore, AsyncDisposable {
  /** Operations that failed, and reasons content was evicted for, as the telemetry heard of them. */
  readonly failed: string[]
  readonly evicted: string[]
}

export interface StoreFolder extends AsyncDisposable {
  readonly path: string
  /** Opens the store in it; disposing that closes it. */
  open(options?: Partial<FilesystemStoreOptions>): Promise<OpenStore>
  /** Names in `ingest/`. */
  ingest(): Promise<readonly string[]>
  /** Digests that have a file in `blobs/`, in lexical order. */
  files(): Promise<readonly string[]>
  /** The file of a committed blob. */
  pathOf(blob: Blob): string
}

/** A folder for a store. Disposing it fails when this process still has something in it open. */
export async function storeFolder(): Promise<StoreFolder> {
  const folder = await tempFolder()
  const below = async (...names: string[]) => {
    const entries = await readdir(join(folder.path, ...names), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  }
  return {
    path: folder.path,
    open: (options) => openStore(folder.path, options),
    ingest: () => below('ingest'),
    files: async () => (await below('blobs')).map((hex) => `sha256:${hex}`).toSorted(),
    pathOf: ({ digest }) => join(folder.path, 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7)),
    async [Symbol.asyncDispose]() {
      try {
        await nothingOpenBelow(folder.path)
      } finally {
        await folder[Symbol.asyncDispose]()
      }
    },
  }
}

export async function openStore(
  root: string,
  options: Partial<FilesystemStoreOptions> = {},
): Promise<OpenStore> {
  const failed: string[] = []
  const evicted: string[] = []
  const store = await filesystemStore({
    root,
    telemetry: { failed: (operation) => failed.push(operation), evicted: (reason) => evicted.push(reason) },
    ...options,
  })
  return { ...store, failed, evicted, [Symbol.asyncDispose]: () => store.close() }
}

type Blobs = Pick<FilesystemStore, 'blobs'>

/** Stores a blob, from whatever an earlier attempt left on. */
export async function put({ blobs }: Blobs, { bytes, digest }: Blob, mediaType?: string): Promise<void> {
  const expected = { digest, size: bytes.length, ...(mediaType !== undefined && { mediaType }) }
  await using ingest = await blobs.ingest(expected)
  await fill(ingest, bytes)
  await ingest.commit()
}

/** Writes what is missing, and verifies. */
export async function fill(ingest: BlobIngest, bytes: Buffer): Promise<void> {
  for (
    let gap = ingest.filled.firstGap(0, bytes.length);
    gap;
    gap = ingest.filled.firstGap(0, bytes.length)
  ) {
    const end = Math.min(gap.end, gap.start + 1024 * 1024)
    await ingest.write(bytes.subarray(gap.start, end), gap.start)
  }
  await ingest.verify(bytes.length)
}

/** undefined when the store does not have it. */
export async function contentOf({ blobs }: Blobs, { digest }: Blob): Promise<Buffer | undefined> {
  await using reader = await blobs.open(digest)
  return reader && (await readFrom(reader, 0, reader.descriptor.size))
}

/** Waits until exactly these are in the index. */
export async function holdsOnly(store: FilesystemStore, blobs: readonly Blob[]): Promise<void> {
  const bytes = blobs.reduce((sum, blob) => sum + blob.bytes.length, 0)
  await eventually(async () => {
    const usage = await store.inventory.usage()
    return usage.objects === blobs.length && usage.bytes === bytes
  })
  for (const blob of blobs) assert.deepEqual(await contentOf(store, blob), blob.bytes)
}

export const failsFor =
  (reason: string) =>
  (error: unknown): boolean =>
    isRegistryError(error, 'STORAGE') && error.detail['reason'] === reason
