import { isWithin, type KeyPath } from '../issues.ts'
import type { ConfigSource } from './source.ts'

/** A key that a variable of the environment sets. */
export interface Setting {
  /** `ENTREPOT_STORAGE_MAXSIZE` */
  readonly variable: string
  readonly path: readonly string[]
  readonly value: unknown
}

/** A source in which settings replace what is written; sections come before the keys in them. */
export function withSettings(source: ConfigSource, settings: readonly Setting[]): ConfigSource {
  const settingOf = (path: KeyPath) => settings.findLast((setting) => isWithin(path, setting.path))
  return {
    tree: overlay(source.tree, settings),
    where: (path) => settingOf(path)?.variable ?? source.where(path),
    // After the file.
    positionOf: (path) => (settingOf(path) === undefined ? source.positionOf(path) : Infinity),
  }
}

/** A section that a setting is for is made where there is none. */
function overlay(tree: unknown, settings: readonly Setting[]): unknown {
  return settings.reduce((result, { path, value }) => withValue(result, path, value), tree)
}

function withValue(tree: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value
  const section: Readonly<Record<string, unknown>> =
    typeof tree === 'object' && tree !== null && !Array.isArray(tree) ? { ...tree } : {}
  return { ...section, [key]: withValue(section[key], rest, value) }
}
