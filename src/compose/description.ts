import { size } from '../config/schema/quantities.ts'
import type { Config } from '../config/load-config.ts'
import type { StoreUsage } from '../ports/metadata.ts'
import { whoMayPull } from './listeners/registry-auth.ts'

/** What a process runs with, for the line that it logs at the start. */
export function describeProcess(config: Config, usage: StoreUsage): object {
  const { storage, upstreams, defaultUpstream } = config
  return {
    store: { root: storage.root, objects: usage.objects, bytes: usage.bytes },
    limits: { maxSize: size.format(storage.maxSize), minFree: size.format(storage.minFree) },
    upstreams: Object.keys(upstreams),
    defaultUpstream,
    pull: whoMayPull(config),
  }
}
