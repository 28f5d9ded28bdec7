import { createAdopt } from './adopt/adopt-file.ts'
import { createCatalogue } from './operations/images/image-catalogue.ts'
import { fileBlobStore } from './blobs/file-blob-store.ts'
import { conversionIndex, layerFactsIndex } from './conversions/conversion-index.ts'
import { realFiles } from './files.ts'
import { clockStep, recordClock } from './clock-record.ts'
import { beginSession } from './session.ts'
import { openFolder, restoreFolder } from './store-folder.ts'
import { restrictFiles } from './restrict-files.ts'
import { partials as openPartials } from './blobs/partials.ts'
import { type Paths } from './paths.ts'
import { inSlices } from './index/in-slices.ts'
import { storedRepositories } from './operations/stored-repositories.ts'
import { endpointOwners } from './index/upstreams/endpoint-owners.ts'
import { v1Index } from './v1/v1-index.ts'
import { storedUpstreams } from './operations/stored-upstreams.ts'
import { recordUrls } from './operations/upstream-urls.ts'
import { pins } from './operations/pins.ts'
import { rebuildContent } from './rebuild.ts'
import { savingsIndex } from './index/savings/savings-index.ts'
import { sqliteIndex } from './index/sqlite-index.ts'
import { movesSince } from './index/tags/tag-moves.ts'
import { runLog } from './index/tags/runs.ts'
import { seenAt } from './index/tags/seen-at.ts'
import { trustedDigests } from './index/tags/trusted-digests.ts'
import { uploadSources } from './pushes/upload-sources.ts'
import { storageOperation, ignoreStorageError, ignoreNotFound } from './storage-operation.ts'
import { imagesOf } from './operations/images/images-of.ts'
import { usedSince } from './operations/used-since.ts'
import { ownerToServe } from './owner.ts'
import { type RetainedContent, retainedContent } from './operations/retained.ts'
import { createInspect } from './operations/inspect.ts'
import { createOffload } from './operations/offload.ts'
import { createVerify } from './operations/verify.ts'
import type { FilesystemStore, FilesystemStoreOptions } from './filesystem-store.ts'

const WEEK = 7 * 86_400_000
/** Changes at every boot of the machine (random(4)). Linux only. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** Opens the store in a folder. @throws Error as `filesystemStore`, in the words of the system */
export async function openInFolder(paths: Paths, options: FilesystemStoreOptions): Promise<FilesystemStore> {
  const { telemetry, pinned = [], now = Date.now } = options
  const { files = realFiles(await ownerToServe(paths.root)) } = options
  const { lockWait = { timeout: 0, waiting() {} } } = options
  const run = storageOperation(telemetry)
  const { lock, wasOpen } = await openFolder(files, paths, lockWait)
  try {
    const boot = await files.readText(BOOT_ID).catch(ignoreNotFound)
    const partials = openPartials(files, paths, boot?.trim())
    await partials.recover()
    let closed = false
    let isComplete = true
    let rebuilt = Promise.resolve()
    const rebuild = (): void => {
      isComplete = false
      rebuilt = rebuilt.then(async () => {
        options.rebuilding?.()
        isComplete = await rebuildContent({
          files,
          paths,
          content,
          run,
          telemetry,
          stopped: () => closed,
        })
      })
    }
    const { retained: rules = () => [] } = options
    let retaining: RetainedContent | undefined
    const index = sqliteIndex({
      file: paths.index,
      run,
      telemetry,
      pinned,
      retained: rules,
      moved: (digest) => retaining?.moved(digest),
      ...(options.keepLinks && { keepLinks: true }),
      now,
      emptied: rebuild,
    })
    const { content, links, references, tags } = index
    const { query, changeAll } = index.access
    const { before } = await beginSession(query)
    if ((lock.wasAbandoned || before !== lock.lastSession) && isComplete) rebuild()
    const clocks = options.wall && { now, wall: options.wall, boot: boot?.trim() }
    const clockStepped = async (step: number): Promise<void> => {
      if (step > 0) await index.shiftInstants({ milliseconds: step, until: now() - step }, () => closed)
      else await index.clampInstants(() => closed)
      if (clocks && !closed) await recordClock(query, files, clocks)
    }
    let clamped = (async () => {
      const step = clocks ? await clockStep(query, files, clocks) : 0
      if (step > 0) await clockStepped(step)
      await index.clampInstants(() => closed)
      if (clocks && step <= 0 && !closed) await recordClock(query, files, clocks)
    })().catch(ignoreStorageError)
    const restricted = wasOpen
      ? run('restrict', () => restrictFiles(files, paths, () => closed)).catch(ignoreStorageError)
      : undefined
    const { verify = 'never', corrupt = () => {}, keepRuns = () => WEEK } = options
    const shared = { files, paths, partials, content, run, telemetry, verify, corrupt }
    const store = fileBlobStore({ ...shared, indexBytes: () => index.bytes })
    retaining = retainedContent({ query, read: index.reader.read, rules, now })
    const { current: retained } = retaining
    const pinning = pins({ ...index.access, configured: pinned, now })

    return {
      blobs: store,
      inventory: store,
      ofUpstreams: index.ofUpstreams,
      peek: store.peek,
      offload: createOffload({ query, totals: content.totals, peek: store.peek }),
      discard: store.discard,
      links,
      references,
      conversions: conversionIndex(index.access),
      layerFacts: layerFactsIndex(index.access),
      tags,
      catalogue: createCatalogue({
        query,
        changeAll,
        read: index.reader.read,
        inventory: store,
        pinned,
        shares: options.shares ?? (() => new Map()),
        blobs: store,
        purged: options.purged,
        forgotten: options.forgotten,
        telemetry,
        retained: async () => {
          if (rules().length === 0) return undefined
          const { objects, bytes, missing } = await retained()
          return { objects, bytes, missing: options.isTier ? 0 : missing }
        },
        flush: index.flush,
      }),
      pins: pinning,
      adopt: createAdopt({ files, paths, content, blobs: store }),
      verify: createVerify({ files, paths, query, totals: content.totals, discard: store.discardFile }),
      savings: savingsIndex({ query, changeAll }),
      trusted: trustedDigests(index.access),
      v1: v1Index(index.access, now),
      endpointOwners: endpointOwners(index.access, now),
      uploadSources: uploadSources(index.access, now),
      movesSince: movesSince(query),
      seenAt: seenAt(index.reader.read),
      retained: async () => (await retained()).content,
      usedSince: usedSince({ read: index.reader.read, flush: index.flush }),
      runs: runLog({ ...index.access, keep: keepRuns, now }),
      inspect: createInspect({ files, paths, query }),
      imagesOf: imagesOf(query),
      recordUrls: (urls) => recordUrls(index.access.transact, urls, now),
      lastUses: content.lastUses,
      removeLinks: content.removeLinks,
      repositories: storedRepositories(index.reader.read),
      upstreams: () => inSlices(query, storedUpstreams),
      sweepPartials: (limits) => run('sweep', () => partials.sweep(limits, now())),
      evictPartials: store.evictPartials,
      clockStepped(milliseconds) {
        clamped = clamped.then(() => clockStepped(milliseconds)).catch(ignoreStorageError)
        return clamped
      },
      async probe() {
        await restoreFolder(files, paths)
        const path = `${paths.ingest}/probe`
        try {
          await files.writeText(path, 'entrepot')
        } finally {
          await files.remove(path)
        }
      },
      async close() {
        if (closed) return rebuilt
        closed = true
        await Promise.all([rebuilt, clamped, restricted])
        if (clocks) await recordClock(query, files, clocks).catch(ignoreStorageError)
        const ended = await beginSession(query).catch(ignoreStorageError)
        try {
          await index.close()
        } finally {
          lock.release({ unfinished: !isComplete, ...(ended && { session: ended.session }) })
        }
      },
    }
  } catch (error) {
    lock.release({ unfinished: true })
    throw error
  }
}
