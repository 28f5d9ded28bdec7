import { ConfigError, MASK, printable } from './config-error.ts'
import type { ConfigSource } from './sources/source.ts'

/** From the top of the file: `['cache', 'tags', 0, 'match']`. */
export type KeyPath = readonly PropertyKey[]

/**
 * One thing that is wrong. Whoever finds it throws it; `Issues.collect` keeps it, and the rest is checked
 * too.
 */
export class ConfigIssue extends Error {
  override readonly name = 'ConfigIssue'
  readonly path: KeyPath

  constructor(path: KeyPath, line: string) {
    super(line)
    this.path = path
  }
}

/** What is wrong with one configuration. The texts follow the name of the key, and read on from it. */
export interface Issues {
  /** `proxy.config.yaml:3: cache.tll is not a known key …` */
  key(path: KeyPath, what: string): ConfigIssue
  /** `proxy.config.yaml:3: cache.ttl is "a week", but must be a duration …` */
  value(path: KeyPath, what: string): ConfigIssue
  add(issue: ConfigIssue): void
  /** Runs one part of the checks. @returns undefined when it threw an issue, which is kept */
  collect<T>(part: () => T | Promise<T>): Promise<T | undefined>
  /** Whether there is an issue at this key, or below it. */
  has(path: KeyPath): boolean
  /** @throws ConfigError that has all issues, in the order of the file */
  throwIfAny(): void
}

/**
 * Values are shown as they stand in the source, `${ENV}` included: what the environment holds may be a
 * secret.
 */
export function issuesIn(source: ConfigSource): Issues {
  const found: ConfigIssue[] = []
  const key: Issues['key'] = (path, what) =>
    new ConfigIssue(path, `${source.where(path)}: ${nameOf(path)} ${what}`)
  const add = (issue: ConfigIssue): void => {
    // The first issue of a key explains those that follow from it.
    if (!found.some(({ path }) => isWithin(issue.path, path))) found.push(issue)
  }

  return {
    key,
    value: (path, what) => key(path, `is ${shown(path, valueAt(source.tree, path))}, but ${what}`),
    add,
    async collect(part) {
      try {
        return await part()
      } catch (error) {
        if (!(error instanceof ConfigIssue)) throw error
        add(error)
        return undefined
      }
    },
    has: (path) => found.some((issue) => isWithin(issue.path, path)),
    throwIfAny() {
      if (found.length === 0) return
      const inOrder = found.toSorted((a, b) => source.positionOf(a.path) - source.positionOf(b.path))
      throw new ConfigError(inOrder.map(({ message }) => message))
    },
  }
}

/** Whether `path` is `ancestor`, or below it. */
export function isWithin(path: KeyPath, ancestor: KeyPath): boolean {
  return ancestor.every((key, i) => path[i] === key)
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

const SECRET_KEYS = new Set<PropertyKey | undefined>(['password', 'token', 'secret'])

function shown(path: KeyPath, value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'empty'
  if (SECRET_KEYS.has(path.at(-1))) return MASK
  if (Array.isArray(value)) return 'a list'
  if (isRecord(value)) return 'a mapping'
  return typeof value === 'string' ? JSON.stringify(printable(value)) : String(value)
}
