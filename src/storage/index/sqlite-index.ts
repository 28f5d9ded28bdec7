import type { Digest } from '../../oci/digest.ts'
import type { ImagePattern } from '../../oci/image-pattern.ts'
import type {
  LinkIndex,
  ReferenceIndex,
  TagHistory,
  TagIndex,
  TagPast,
  TagNames,
  TagPeek,
  TagUses,
  UpstreamInventory,
} from '../../ports/metadata.ts'
import type { Retention } from '../../ports/time.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'
import { codeOf, isBusy, type StorageOperation } from '../storage-operation.ts'
import { type ContentIndex, contentIndex } from './content-index.ts'
import { clampInstants, shiftInstants } from './instants.ts'
import { type IndexAccess, indexAccess } from './index-access.ts'
import { type Change, type IndexDatabase, indexDatabase } from './index-database.ts'
import { type IndexReader, indexReader } from './index-reader.ts'
import { linkIndex } from './link-index.ts'
import { referenceIndex } from './reference-index.ts'
import { type Statements, statements } from './sql.ts'
import { tagIndex } from './tags/tag-index.ts'
import { upstreamInventory } from './upstreams/upstream-inventory.ts'
import { type Use, usageLog } from './usage-log.ts'

export interface SqliteIndex {
  readonly content: ContentIndex
  readonly ofUpstreams: UpstreamInventory
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly tags: TagIndex & TagUses & TagHistory & TagPast & TagPeek & TagNames
  /** For operations that read and change the index as a whole. */
  readonly access: IndexAccess
  /** For operations that read much of it. */
  readonly reader: IndexReader
  /** Bytes of the pages in use. */
  readonly bytes: number
  /**
   * Sets instants that lie in the future to now. A clock that was ahead wrote them, and the content would be
   * evicted last. Stops early when `stopped` is true.
   */
  clampInstants(stopped: () => boolean): Promise<void>
  /** Moves the instants before `until` forwards, because the clock that wrote them was behind. */
  shiftInstants(
    shift: { readonly milliseconds: number; readonly until: number },
    stopped: () => boolean,
  ): Promise<void>
  /** Writes the uses that are kept in memory. */
  flush(): Promise<void>
  /** Writes what is kept in memory and closes the file. */
  close(): Promise<void>
}

export interface SqliteIndexOptions {
  readonly file: string
  readonly run: StorageOperation
  readonly telemetry: StoreTelemetry
  /** Images whose tags are kept even when nobody uses them. */
  readonly pinned: readonly ImagePattern[]
  /** Images of which the past is kept, and for how long. */
  readonly retained?: () => readonly Retention[]
  /** Called with what a tag points to when that has changed. */
  readonly moved?: (digest: Digest) => void
  /** Links outlive their content. */
  readonly keepLinks?: boolean
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Called each time the index starts empty: it is new, or was damaged and set aside. */
  readonly emptied: () => void
}

/** Opens the index, or creates it. @throws Error when a later version of this program wrote it. */
export function sqliteIndex(options: SqliteIndexOptions): SqliteIndex {
  const {
    file,
    run,
    telemetry,
    pinned,
    retained = () => [],
    moved = () => {},
    keepLinks = false,
    now,
    emptied,
  } = options
  const database: IndexDatabase<Statements> = indexDatabase(file, statements, emptied)
  const access = indexAccess(database, run)
  const { query } = access
  const reader = indexReader(database.location, (error) =>
    // A damaged index is replaced.
    isBusy(error) ? run('index', async () => fail(error)) : query(() => fail(error)),
  )
  /** Nothing expires by instants that are about to be moved. */
  let settled: Promise<void> = Promise.resolve()
  /** Lost uses only make eviction less fair, while eviction itself is what a full disk needs. */
  const usesOf = <K extends readonly string[]>(write: Change<Statements, Use<K>>) =>
    usageLog<K>({
      now,
      rest: access.rest,
      write(noted) {
        try {
          return database.transactSome(noted, write)
        } catch (error) {
          if (isBusy(error)) return 0
          if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
          telemetry.failed('index')
          return undefined
        }
      },
    })
  const contentUses = usesOf<[Digest]>(contentUse())
  const tagUses = usesOf<[string, string, string]>((sql, { key, at }) => void sql.useTag.run(at, ...key))

  return {
    content: contentIndex({ ...access, uses: contentUses, settled: () => settled, keepLinks, now }),
    ofUpstreams: upstreamInventory({ ...access, uses: contentUses }),
    tags: tagIndex({ ...access, uses: tagUses, settled: () => settled, pinned, retained, moved, now }),
    links: linkIndex(access),
    references: referenceIndex(access),
    access,
    reader,
    get bytes() {
      return database.bytes
    },
    clampInstants: (stopped) => clampInstants(access, now, stopped),
    shiftInstants(shift, stopped) {
      const shifting = shiftInstants(access, shift, stopped)
      settled = shifting.catch(() => {})
      return shifting
    },
    async flush() {
      await contentUses.flush()
      await tagUses.flush()
    },
    async close() {
      await Promise.all([database.endWriteBack(), reader.close()])
      contentUses.close()
      tagUses.close()
      database.close()
    },
  }
}

/** A use of a manifest is a use of its references, of which there may be thousands. */
function contentUse(): Change<Statements, Use<[Digest]>> {
  /** The reference up to which a use is written, by manifest. */
  const writtenTo = new Map<Digest, string>()
  return (sql, { key: [digest], at, hits }) => {
    const after = writtenTo.get(digest)
    if (after === undefined) sql.useContent.run(at, hits, digest)
    const last = sql.lastOfChildren.get(digest, after ?? '')?.['child']
    sql.useChildren.run(at, digest, after ?? '')
    if (last === undefined) {
      writtenTo.delete(digest)
      return undefined
    }
    writtenTo.set(digest, String(last))
    return 'more'
  }
}

function fail(error: unknown): never {
  throw error
}
