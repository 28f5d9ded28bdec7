import { ConfigError } from '../../config/config-error.ts'
import type { Config } from '../../config/load-config.ts'

export interface ReloadOptions {
  /** Reads the configuration again. @throws ConfigError */
  readonly load: () => Promise<Config>
  /** Goes over to it. @returns the keys that hold after the next start */
  readonly apply: (config: Config) => Promise<readonly string[]>
  readonly log: Log
}

/** The part of pino that is used here. */
interface Log {
  info(message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * Makes the function that reloads the configuration. Calls do not overlap: one that comes while another runs
 * is made when that has ended, once. A mistake leaves everything as it was.
 */
export function reloader({ load, apply, log }: ReloadOptions): () => Promise<void> {
  let running: Promise<void> | undefined
  let isAsked = false

  async function reload(): Promise<void> {
    try {
      const needRestart = await apply(await load())
      if (needRestart.length > 0) log.warn({ keys: needRestart }, 'changed keys hold after a restart')
      log.info('configuration reloaded')
    } catch (error) {
      const kept = 'configuration not reloaded, keeping the previous one'
      if (!(error instanceof ConfigError)) return log.error({ err: error }, kept)
      for (const mistake of error.message.split('\n')) log.error({ mistake }, kept)
    }
  }

  async function untilDone(): Promise<void> {
    while (isAsked) {
      isAsked = false
      await reload()
    }
    running = undefined
  }

  return () => {
    isAsked = true
    return (running ??= untilDone())
  }
}
