import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import { type ImagePattern, parseImagePattern } from '../oci/image-pattern.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { type FilesystemStore, filesystemStore } from '../storage/filesystem-store.ts'

/**
 * Opens the configured store.
 *
 * @param pinned read each time: it may change
 * @param shares called each time
 * @throws what `filesystemStore` throws
 */
export function openStore(
  { storage, ...rest }: Config,
  telemetry: StoreTelemetry,
  log: Pick<Logger, 'info' | 'warn'>,
  now: () => number = Date.now,
  pinned: readonly ImagePattern[] = pinnedIn(rest),
  shares: () => ReadonlyMap<string, number> = () => sharesIn(rest),
): Promise<FilesystemStore> {
  return filesystemStore({
    root: storage.root,
    verify: storage.verify,
    pinned,
    shares,
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

/** The images that the configuration pins. */
export function pinnedIn({ cache, upstreams }: Pick<Config, 'cache' | 'upstreams'>): readonly ImagePattern[] {
  return cache.pin.map((text) => parseImagePattern(text, Object.keys(upstreams))!)
}

/** The bytes of the store that upstreams may take, where the configuration limits them. */
export function sharesIn({ upstreams }: Pick<Config, 'upstreams'>): ReadonlyMap<string, number> {
  return new Map(
    Object.values(upstreams).flatMap(({ name, maxSize }) => (maxSize === undefined ? [] : [[name, maxSize]])),
  )
}
