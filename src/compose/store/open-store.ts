import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '../../config/load-config.ts'
import type { Digest } from '../../oci/digest.ts'
import { type ImagePattern, parseImagePattern } from '../../oci/image-pattern.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'
import type { Retention } from '../../ports/time.ts'
import {
  type FilesystemStore,
  filesystemStore,
  type FilesystemStoreOptions,
} from '../../storage/filesystem-store.ts'
import { upstreamNames } from '../../oci/upstream-names.ts'

/** What the store is told by the configuration, and may change while it is open. */
export interface StoreSettings {
  /** The same list at all times. */
  readonly pinned: readonly ImagePattern[]
  /** Bytes of the store that upstreams may take, by name. */
  readonly shares: ReadonlyMap<string, number>
  readonly retained: readonly Retention[]
  /** Milliseconds. */
  readonly keepRuns: number
}

type SettingsConfig = Pick<Config, 'cache' | 'upstreams' | 'views'>

export function storeSettings(config: SettingsConfig): StoreSettings {
  const { views } = config
  return {
    pinned: pinnedIn(config),
    shares: sharesIn(config),
    retained: views.asOf ? retainedIn(config) : [],
    keepRuns: views.keepRuns,
  }
}

export interface OpenStoreOptions {
  readonly telemetry: StoreTelemetry
  readonly log: Pick<Logger, 'info' | 'warn'>
  readonly now?: () => number
  /** Read each time: they may change. Left out: those of the configuration. */
  readonly settings?: StoreSettings
  /** As in `FilesystemStoreOptions`. */
  readonly purged?: (digests: readonly Digest[]) => Promise<void>
  readonly forgotten?: FilesystemStoreOptions['forgotten']
  /** Called before it waits for the process that has the store open. */
  readonly waiting?: (holder: string) => void
}

/** Options of a store whose trouble is not reported, but thrown. */
export const SILENT: OpenStoreOptions = {
  telemetry: { evicted() {}, failed() {} },
  log: { info() {}, warn() {} },
}

/**
 * Opens the configured store.
 *
 * @throws what `filesystemStore` throws
 */
export function openStore(config: Config, options: OpenStoreOptions): Promise<FilesystemStore> {
  const { storage } = config
  const { telemetry, log, now = Date.now, settings = storeSettings(config) } = options
  const isNew = !existsSync(join(storage.root, 'FORMAT'))
  return filesystemStore({
    root: storage.root,
    verify: storage.verify,
    pinned: settings.pinned,
    shares: () => settings.shares,
    retained: () => settings.retained,
    keepRuns: () => settings.keepRuns,
    isTier: storage.s3 !== undefined,
    // Without S3 a link would lead to nothing, and a shared index has it too.
    keepLinks: storage.s3 !== undefined && storage.index === undefined,
    ...(options.purged && { purged: options.purged }),
    ...(options.forgotten && { forgotten: options.forgotten }),
    telemetry,
    now,
    ...(now !== Date.now && { wall: Date.now }),
    lockWait: {
      timeout: storage.lockTimeout,
      waiting(holder) {
        log.warn({ holder, timeout: storage.lockTimeout }, 'waiting for the store')
        options.waiting?.(holder)
      },
    },
    rebuilding() {
      if (!isNew) log.info('rebuilding the index from stored blobs')
    },
    corrupt: (digest) => log.warn({ digest }, 'removed a damaged object'),
  })
}

/** The images that the configuration pins. */
function pinnedIn({ cache, upstreams }: Pick<Config, 'cache' | 'upstreams'>): readonly ImagePattern[] {
  return cache.pin.map((text) => parseImagePattern(text, upstreamNames(Object.values(upstreams)))!)
}

/** The bytes of the store that upstreams may take, where the configuration limits them. */
export function sharesIn({ upstreams }: Pick<Config, 'upstreams'>): ReadonlyMap<string, number> {
  return new Map(
    Object.values(upstreams).flatMap(({ name, maxSize }) => (maxSize === undefined ? [] : [[name, maxSize]])),
  )
}

/** The images of which the past is kept. */
function retainedIn({ views, upstreams }: SettingsConfig): readonly Retention[] {
  const names = upstreamNames(Object.values(upstreams))
  return views.retain.map(({ match, for: keep }) => ({ match: parseImagePattern(match, names)!, keep }))
}
