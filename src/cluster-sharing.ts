import type { ClusterParts } from './cluster-parts.ts'
import { sharedFlight } from './cluster/shared-flight.ts'
import { sharedSource } from './cluster/peers/shared-source.ts'
import type { DownloadManager } from './download/manager.ts'
import type { Digest } from './oci/digest.ts'
import type { BlobStore } from './ports/blob-store.ts'
import type { ClusterReport } from './ports/insight/insight.ts'
import type { Cluster, PeerAccess, SharedJobs } from './ports/cluster.ts'
import type { Uploads } from './storage/uploads.ts'
import type { RemoteBlobs } from './ports/remote-blobs.ts'

export interface ClusterSharing {
  readonly cluster: Cluster
  /** What the other replicas get from this one. */
  readonly access: PeerAccess
  readonly jobs: SharedJobs
  report(): Promise<ClusterReport>
  /** Takes what another replica was told does not exist. */
  heardAbsent(key: string, duration: number): void
  /** Another digest may be trusted. */
  trustChanged(): void
  /** Calls the last one that was given when another digest may be trusted. */
  onTrust(changed: () => void): void
}

export interface ClusterSharingOptions {
  readonly parts: ClusterParts
  readonly remote: RemoteBlobs
  readonly uploads: Pick<Uploads, 'tried' | 'uploaded'>
  /** This replica's own store, without what is behind it. */
  readonly tier: BlobStore
  /** Whether this upstream is known to have it. */
  readonly knows: (upstream: string, digest: Digest) => Promise<boolean>
  readonly downloads: () => DownloadManager
}

function now(): number {
  return performance.now()
}

/** How this replica and the others spare each other what one of them has done. */
export function clusterSharing(options: ClusterSharingOptions): ClusterSharing {
  const { parts, remote, uploads, tier, knows, downloads } = options
  const { leases, peers } = parts
  let absent: ((key: string, duration: number) => void) | undefined
  let trusting: (() => void) | undefined
  return {
    cluster: {
      share: (download, upstream) =>
        // Until then the others read it along from this replica.
        sharedSource({ leases, peers, remote, uploaded: uploads.uploaded, now }, download, upstream),
      once: (...flight) => sharedFlight({ leases, settled: uploads.tried, now }, ...flight),
      latestTag: parts.index.tags.latest,
      tellAbsent: (key, duration) => parts.tell({ kind: 'absent', key, duration }),
      onAbsent(listener) {
        absent = listener
      },
    },
    access: {
      isPeer: parts.isPeer,
      open: async (upstream, digest, options) =>
        (await downloads().follow(upstream, digest, options)) ??
        // The tier has content of other upstreams too, which this one has not proved to have.
        ((await knows(upstream, digest)) ? tier.open(digest) : undefined),
    },
    jobs: parts.jobs,
    report: parts.report,
    trustChanged: () => trusting?.(),
    onTrust: (changed) => void (trusting = changed),
    heardAbsent: (key, duration) => absent?.(key, duration),
  }
}
