import { mirrorRoutes } from './admin/mirror-routes.ts'
import { archiveRoutes } from './admin/archive-routes.ts'
import { warmRoutes } from './admin/warm-routes.ts'
import type { AdminAppOptions } from './admin/admin-routes.ts'
import { createExport } from './archive/export-images.ts'
import { createImport } from './archive/import-archive.ts'
import { buildMirroring, type Mirroring } from './compose/mirroring.ts'
import { forJobs } from './images/for-jobs.ts'
import { createWantedTags } from './mirror/wanted-tags.ts'
import { pulledPlatforms } from './mirror/pulled-platforms.ts'
import { createRefresh } from './mirror/refresh.ts'
import { createWarm } from './mirror/warm.ts'
import { causeOf } from './observe/cause.ts'
import type { Digest } from './oci/digest.ts'
import { parseImagePattern } from './oci/image-pattern.ts'
import type { RegistryError } from './oci/errors.ts'
import type { Repository } from './ports/repository.ts'
import type { Parts } from './parts.ts'
import type { Serving } from './serving.ts'
import { latest } from './util/async/latest.ts'
import type { RunningConfig } from './compose/running-config.ts'
import type { Logger } from 'pino'

/** What moves images in and out. */
export interface Moving {
  readonly mirror: Mirroring
  readonly routes: NonNullable<AdminAppOptions['jobRoutes']>
}

export interface MovingOptions {
  readonly config: RunningConfig
  readonly parts: Parts
  readonly serving: () => Serving
  readonly log: Logger
}

/** Builds it. It goes on with the configuration that holds when something begins. */
export function buildMoving({ config, parts, serving, log }: MovingOptions): Moving {
  const { disk, store, downloads, upstreams, observed } = parts
  const registry = forJobs(latest(() => serving().present))
  const stored = forJobs(latest(() => serving().stored))
  const isOffline = (upstream: string) => config.current.upstreams[upstream]?.offline === true
  const isStored = async ({ name }: Repository, digest: Digest): Promise<boolean> => {
    await downloads.ended(name.upstream, digest)
    return (await store.blobs.stat(digest)) !== undefined
  }
  const isLimited = (name: string) => {
    const upstream = upstreams.byName.get(name)
    return upstream === undefined || upstream.isNearlyExhausted || upstream.status.state === 'limited'
  }
  const warm = createWarm({
    registry,
    stored,
    isStored,
    explain,
    isLimited,
    isOffline,
    pulled: pulledPlatforms({ tags: disk.tags, inspect: disk.inspect }),
  })
  const refresh = createRefresh({ registry, tags: disk.tags, isOffline, explain })
  const failed = (err: unknown) => log.error({ err }, 'a job failed')
  const exportImages = createExport({
    catalogue: store.catalogue,
    tags: disk.tags,
    served: (image, instant) => serving().servedOf(image, instant),
    registry,
    stored,
    isStored,
    explain,
    isOffline,
    now: parts.now,
  })
  const importArchive = createImport({
    blobs: parts.blobs,
    links: store.links,
    references: store.references,
    tags: store.tags,
    peek: disk.tags.peek,
    registry,
    // With S3 the store of this machine is but a part of what holds it.
    limitFor: parts.bucket === undefined ? parts.evictor.limitFor : undefined,
    keepShare: parts.evictor.keepShare,
    shareNotKept: (err) => log.warn({ err }, 'an upstream is above its share until the next sweep'),
    now: parts.now,
  })
  const { jobs } = observed
  const wantedTags = createWantedTags({
    registry,
    catalogue: store.catalogue,
    tags: disk.tags,
    isLimited,
    explain,
  })
  const mirror = buildMirroring(config.current, {
    warm,
    wantedTags,
    jobs,
    shared: parts.sharing?.jobs,
    log,
    now: parts.now,
  })
  const parsePattern = (text: string) => parseImagePattern(text, parts.upstreamNames())
  return {
    mirror,
    routes: [
      mirrorRoutes({ mirror, jobs, failed }),
      warmRoutes({ warm, refresh, jobs, failed }),
      archiveRoutes({ exportImages, importArchive, jobs, parsePattern, failed }),
    ],
  }
}

function explain(upstream: string, { code, detail }: RegistryError): string {
  return causeOf(upstream, code, detail).cause
}
