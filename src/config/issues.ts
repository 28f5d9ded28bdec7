import { ConfigError, MASK } from './config-error.ts'

/** From the top of the file: `['cache', 'tags', 0, 'match']`. */
export type KeyPath = readonly PropertyKey[]

/** Makes the errors for one file. What is said follows the name of the key, and reads on from it. */
export interface Mistakes {
  /** `proxy.config.yaml: cache.tll is not a known key …` */
  key(path: KeyPath, what: string): ConfigError
  /** `proxy.config.yaml: cache.ttl is "a week", but must be a duration …` */
  value(path: KeyPath, what: string): ConfigError
}

/** Values are shown as they stand in the file, `tree`, with `${ENV}` as it is: what the environment holds may be a secret. */
export function mistakesIn(file: string, tree: unknown): Mistakes {
  const key: Mistakes['key'] = (path, what) => new ConfigError(`${file}: ${nameOf(path)} ${what}`)
  return { key, value: (path, what) => key(path, `is ${shown(path, valueAt(tree, path))}, but ${what}`) }
}

/** `cache.tags[0].match` */
function nameOf(path: KeyPath): string {
  if (path.length === 0) return 'the file'
  const steps = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${printable(String(key))}`))
  return steps.join('').slice(1)
}

function valueAt(tree: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (value, key) => (isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined),
    tree,
  )
}

function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null
}

function shown(path: KeyPath, value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'empty'
  if (path.at(-1) === 'password' || path.at(-1) === 'token') return MASK
  if (Array.isArray(value)) return 'a list'
  if (isRecord(value)) return 'a mapping'
  return typeof value === 'string' ? JSON.stringify(printable(value)) : String(value)
}

/** Not too long, and without what gives access in a pasted URL: `https://user:password@host/?token=…`. */
function printable(text: string): string {
  const masked = text.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, `$1${MASK}@`)
  return (masked.includes('://') ? masked.replace(/[?#].*$/s, `?${MASK}`) : masked).slice(0, 200)
}
