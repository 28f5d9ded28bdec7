import type { Config } from '../config/load-config.ts'
import { reloadedConfig } from '../config/reload.ts'
import { type StoreSettings, storeSettings } from './store/open-store.ts'

/** The configuration that holds now, and the parts of it that others keep: those change in place. */
export interface RunningConfig {
  /** A snapshot, which never changes. */
  readonly current: Config
  readonly eviction: Config['cache'] & Config['storage']
  readonly transfers: Config['transfers'] & { readonly retryDelay: number }
  readonly store: StoreSettings
  /** Goes over to `next`. @returns the keys that have changed and hold after the next start */
  change(next: Config): readonly string[]
}

/** Milliseconds before the first retry of a download. */
const RETRY_DELAY = 400

export function runningConfig(initial: Config): RunningConfig {
  let current = initial
  const eviction = { ...initial.cache, ...initial.storage }
  const transfers = { ...initial.transfers, retryDelay: RETRY_DELAY }
  const pinned = [...storeSettings(initial).pinned]
  const store = { ...storeSettings(initial), pinned }
  return {
    get current() {
      return current
    },
    eviction,
    transfers,
    store,
    change(next) {
      const { config, needRestart } = reloadedConfig(current, next)
      current = config
      Object.assign(eviction, config.cache)
      Object.assign(transfers, config.transfers)
      const settings = storeSettings(config)
      pinned.splice(0, pinned.length, ...settings.pinned)
      Object.assign(store, { ...settings, pinned })
      return needRestart
    },
  }
}
