import { isDeepStrictEqual } from 'node:util'
import type { Config } from './load-config.ts'

export interface ReloadedConfig {
  /** What holds from now on. */
  readonly config: Config
  /** Keys that have changed and hold after the next start: `listen.port`. */
  readonly needRestart: readonly string[]
}

/** What a process has open, and cannot change while it runs. */
const FIXED = ['listen', 'admin', 'storage', 'cluster', 'tracing'] as const

/** The configuration that holds after `next` was read while `running` held. */
export function reloadedConfig(running: Config, next: Config): ReloadedConfig {
  const kept = Object.fromEntries(FIXED.map((key) => [key, running[key]])) as Pick<
    Config,
    (typeof FIXED)[number]
  >
  const { format } = running.log
  return {
    config: Object.freeze({ ...next, ...kept, log: Object.freeze({ ...next.log, format }) }),
    needRestart: [
      ...FIXED.flatMap((key) => differences(running[key], next[key], key)),
      ...(format === next.log.format ? [] : ['log.format']),
    ],
  }
}

/** The names of the innermost keys that differ. */
function differences(a: unknown, b: unknown, name: string): readonly string[] {
  if (isDeepStrictEqual(a, b)) return []
  if (!isSection(a) || !isSection(b)) return [name]
  // Changed content of a file is followed while the process runs.
  if ('path' in a && 'path' in b) return a['path'] === b['path'] ? [] : [name]
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  // A token that came from a file is followed with the file.
  if (keys.has('tokenFile')) keys.delete('token')
  return [...keys].flatMap((key) => differences(a[key], b[key], `${name}.${key}`))
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
