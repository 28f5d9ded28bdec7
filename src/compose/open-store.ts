import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import { parseImagePattern } from '../oci/image-pattern.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { type FilesystemStore, filesystemStore } from '../storage/filesystem-store.ts'

/** Opens the configured store. @throws what `filesystemStore` throws */
export function openStore(
  { storage, cache, upstreams }: Config,
  telemetry: StoreTelemetry,
  log: Pick<Logger, 'info' | 'warn'>,
  now: () => number = Date.now,
): Promise<FilesystemStore> {
  return filesystemStore({
    root: storage.root,
    verify: storage.verify,
    pinned: cache.pin.map((text) => parseImagePattern(text, Object.keys(upstreams))!),
    telemetry,
    now,
    ...(now !== Date.now && { wall: Date.now }),
    lockWait: {
      timeout: storage.lockTimeout,
      waiting: (holder) => log.warn({ holder, timeout: storage.lockTimeout }, 'waiting for the store'),
    },
    rebuilding: () => log.info('rebuilding the index from stored blobs'),
    corrupt: (digest) => log.warn({ digest }, 'removed a damaged object'),
  })
}
