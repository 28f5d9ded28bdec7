import type { Digest } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { BlobReader } from '../../ports/blob-store.ts'
import type { TagEntry } from '../../ports/metadata.ts'
import type { Size } from '../../ports/operations.ts'
import type { RemoteBlobs } from '../../ports/remote-blobs.ts'
import type { Query } from '../index/sql.ts'

export interface OffloadStep {
  /** What was looked at so far, and all of it. */
  readonly checked: Size
  readonly total: Size
  readonly uploaded: Size
  /** What is damaged here, and was not uploaded, since the last step. */
  readonly damaged: readonly Digest[]
}

export interface Offload {
  /** Uploads all content that is not there yet. What was uploaded before is passed over. */
  content(remote: RemoteBlobs): AsyncGenerator<OffloadStep>
  /** Every link. */
  links(): AsyncGenerator<{
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly mediaType: string | undefined
  }>
  /** Every tag. */
  tags(): AsyncGenerator<{
    readonly repository: RepositoryName
    readonly tag: string
    readonly entry: TagEntry
  }>
}

export interface OffloadOptions {
  readonly query: Query
  readonly totals: () => Promise<Size>
  /** Opens content, which is no use of it. */
  readonly peek: (digest: Digest) => Promise<BlobReader | undefined>
}

/** Each has one part of 8 MiB in memory. */
const AT_ONCE = 8

/** Reads a store from one end to the other, to have it elsewhere too. */
export function createOffload({ query, totals, peek }: OffloadOptions): Offload {
  return {
    async *content(remote) {
      const total = await totals()
      const checked = { objects: 0, bytes: 0 }
      const uploaded = { objects: 0, bytes: 0 }
      for (let last = ''; ;) {
        const page = (await query((sql) => sql.contentAfter.all(last))) as unknown as {
          readonly digest: Digest
          readonly size: number
        }[]
        for (let at = 0; at < page.length; at += AT_ONCE) {
          const damaged: Digest[] = []
          const some = page.slice(at, at + AT_ONCE)
          await Promise.all(
            some.map(async ({ digest, size }) => {
              const outcome = await send(digest, remote)
              if (outcome === 'damaged') damaged.push(digest)
              if (outcome !== 'uploaded') return
              uploaded.objects += 1
              uploaded.bytes += size
            }),
          )
          checked.objects += some.length
          checked.bytes += some.reduce((sum, { size }) => sum + size, 0)
          yield { checked: { ...checked }, total, uploaded: { ...uploaded }, damaged }
        }
        const end = page.at(-1)
        if (end === undefined) return
        last = end.digest
      }
    },
    async *links() {
      for (let last: LinkRow | undefined; ;) {
        const page = (await query((sql) =>
          sql.linksAfter.all(last?.upstream ?? '', last?.repository ?? '', last?.digest ?? ''),
        )) as unknown as LinkRow[]
        for (const { upstream, repository: name, digest, mediaType } of page) {
          yield { repository: { upstream, name }, digest, mediaType: mediaType ?? undefined }
        }
        last = page.at(-1)
        if (last === undefined) return
      }
    },
    async *tags() {
      for (let last: TagRow | undefined; ;) {
        const page = (await query((sql) =>
          sql.tagsAfter.all(last?.upstream ?? '', last?.repository ?? '', last?.tag ?? ''),
        )) as unknown as TagRow[]
        for (const { upstream, repository: name, tag, digest, checkedAt, goneAt } of page) {
          const entry = { digest, checkedAt, ...(goneAt !== null && { goneAt }) }
          yield { repository: { upstream, name }, tag, entry }
        }
        last = page.at(-1)
        if (last === undefined) return
      }
    },
  }

  async function send(digest: Digest, remote: RemoteBlobs): Promise<'uploaded' | 'there' | 'damaged'> {
    if ((await remote.stat(digest)) !== undefined) return 'there'
    await using reader = await peek(digest)
    if (reader === undefined) return 'damaged'
    try {
      await remote.put(reader)
      return 'uploaded'
    } catch (error) {
      if (isRegistryError(error, 'STORAGE')) return 'damaged'
      throw error
    }
  }
}

interface LinkRow {
  readonly upstream: string
  readonly repository: string
  readonly digest: Digest
  readonly mediaType: string | null
}

interface TagRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly checkedAt: number
  readonly goneAt: number | null
}
