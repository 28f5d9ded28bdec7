import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import { parseImagePattern } from '../oci/image-pattern.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { type FilesystemStore, filesystemStore } from '../storage/filesystem-store.ts'

/** The store that the configuration means. @throws what `filesystemStore` throws */
export function openStore(
  { storage, cache, upstreams }: Config,
  telemetry: StoreTelemetry,
  log: Pick<Logger, 'info' | 'warn'>,
  now = Date.now,
): Promise<FilesystemStore> {
  return filesystemStore({
    root: storage.root,
    verify: storage.verify,
    pinned: cache.pin.map((text) => parseImagePattern(text, Object.keys(upstreams))!),
    telemetry,
    now,
    rebuilding: () => log.info('looking through the store for what the index does not know'),
    corrupt: (digest) => log.warn({ digest }, 'a stored object was damaged, and is removed'),
  })
}
