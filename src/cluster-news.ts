import type { MemoryCached } from './cache/memory/memory.ts'
import type { PurgeForAll } from './cluster/index/purge-for-all.ts'
import type { SharedScarcity } from './cluster/shared-scarcity.ts'
import type { ClusterParts } from './cluster-parts.ts'
import type { ClusterSharing } from './cluster-sharing.ts'
import type { Upstreams } from './compose/upstreams/upstreams.ts'
import type { FilesystemStore } from './storage/filesystem-store.ts'

export interface ReplicaListeners {
  readonly cluster: ClusterParts
  readonly store: Pick<MemoryCached<FilesystemStore>, 'forgetTag'>
  readonly sharing: ClusterSharing | undefined
  readonly scarcity: SharedScarcity | undefined
  readonly purging: PurgeForAll | undefined
  readonly upstreams: Pick<Upstreams, 'heard'>
}

/** Begins to listen to the other replicas, and has each part take what concerns it. */
export function listenToReplicas({
  cluster,
  store,
  sharing,
  scarcity,
  purging,
  upstreams,
}: ReplicaListeners): void {
  cluster.listen({
    async tagChanged(repository, tag, shared) {
      await cluster.index.tags.apply(repository, tag, shared)
      store.forgetTag(repository, tag)
    },
    absent: (key, duration) => sharing?.heardAbsent(key, duration),
    scarce: (upstream, duration) => scarcity?.heard(upstream, duration),
    purged: async (pattern) => purging?.heard(pattern),
    outage: upstreams.heard,
    trustChanged: () => sharing?.trustChanged(),
  })
}
