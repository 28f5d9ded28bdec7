import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { z } from 'zod'
import {
  type AccessConfig,
  type AdminConfig,
  type ListenConfig,
  resolveAccess,
  resolveAdmin,
  resolveListen,
  checkPorts,
} from './listeners.ts'
import { validityProblem } from './certificates.ts'
import { type ClusterConfig, resolveCluster } from './cluster.ts'
import { ConfigError } from './config-error.ts'
import { type EventTarget, resolveEvents } from './events.ts'
import { type Environment, expand } from './sources/environment.ts'
import { refuseUnknownVariables, settingsIn } from './sources/environment-settings.ts'
import { fileLoader, reasonOf } from './files.ts'
import { idlePatterns } from './idle-patterns.ts'
import { isWithin, type Issues, issuesIn, type KeyPath } from './issues.ts'
import { mergeUpstreams } from './upstreams/merge-upstreams.ts'
import { schemaKeys } from './schema/schema-keys.ts'
import type { TagPattern } from './schema/tag-pattern.ts'
import { schemaIssues } from './schema/schema-issues.ts'
import { fileSchema } from './schema/file-schema.ts'
import { resolveStorage, type StorageConfig } from './storage.ts'
import { type ReplicateRule, resolveReplicate } from './replicate.ts'
import { resolveDefault, resolveUpstreams, type Upstreams } from './upstreams/upstreams.ts'
import { shellWords } from './shell-words.ts'
import { withSettings } from './sources/layered-source.ts'
import { parseYaml } from './sources/yaml.ts'

const KEYS = schemaKeys(fileSchema)

type FileContent = z.output<typeof fileSchema>

/**
 * The content of `schema/file-schema.ts`, with the files it names read and paths absolute. Frozen throughout.
 */
export type Config = DeepReadonly<
  Omit<
    FileContent,
    | 'listen'
    | 'admin'
    | 'access'
    | 'events'
    | 'replicate'
    | 'storage'
    | 'cluster'
    | 'upstreams'
    | 'publicUpstreams'
    | 'defaultUpstream'
  > & {
    storage: StorageConfig
    cluster?: ClusterConfig | undefined
    listen: ListenConfig
    admin: AdminConfig | false
    access: AccessConfig
    events: readonly EventTarget[]
    replicate: readonly ReplicateRule[]
    /** The name of one of `upstreams`. */
    defaultUpstream: string
    /** By name. */
    upstreams: Upstreams
  }
>

export interface LoadConfigOptions {
  readonly file: string
  readonly env: Environment
  /** The user named the file. A file that was not named may be missing: then the defaults hold. */
  readonly required: boolean
  /**
   * False for who shows no secrets to upstreams: those that the environment lacks are no issue then, such as
   * for commands in another shell than the proxy's. Omitted: true.
   */
  readonly usesSecrets?: boolean
  /**
   * Refuses a file with nothing in it, or that is gone: a write was cut short, and the defaults let everybody
   * in (SEC-88). Omitted: then the defaults hold.
   */
  readonly mustHaveContent?: boolean
  /** Is told what is no mistake and does nothing, a line each. Omitted: nobody. */
  readonly warn?: (line: string) => void
  /** Epoch milliseconds. Omitted: the system's clock. */
  readonly now?: () => number
}

/**
 * Reads the file, and the environment, which wins. Paths in both are relative to the folder of the file.
 *
 * @throws ConfigError that has every issue
 */
export async function loadConfig(options: LoadConfigOptions): Promise<Config> {
  const { file, env, required, usesSecrets = true, mustHaveContent = false, warn, now = Date.now } = options
  const settings = settingsIn(env, KEYS)
  const inFile = parseYaml(file, await readConfigFile(file, required))
  if (mustHaveContent && Object.keys(Object(inFile.tree)).length === 0) {
    throw new ConfigError([
      `${file} is empty or gone: write it again, or restart to run with the defaults, which let everybody pull`,
    ])
  }
  const source = withSettings(inFile, settings)
  const issues = issuesIn(source)
  refuseUnknownVariables(env, KEYS, issues)
  const isLiteral = (path: KeyPath) => settings.some((setting) => isWithin(path, setting.path))
  const lacking = usesSecrets ? undefined : lackingSecret
  const entries = parseEntries(expand(source.tree, { env, issues, isLiteral, lacking }), issues)
  const {
    listen,
    admin,
    access,
    storage,
    cluster,
    events,
    replicate,
    upstreams,
    publicUpstreams,
    defaultUpstream,
    ...rest
  } = entries

  const folder = dirname(resolve(file))
  const load = fileLoader(folder, issues)
  const resolved = {
    upstreams: await resolveUpstreams(mergeUpstreams(upstreams, publicUpstreams, issues), issues, load),
    listen: await issues.collect(() => resolveListen(listen, issues, load)),
    admin: await issues.collect(() => resolveAdmin(admin, issues, load)),
    events: await resolveEvents(events, issues, load),
    replicate: await resolveReplicate(replicate, issues, load),
    storage: await issues.collect(() => resolveStorage(storage, folder, issues, load)),
    cluster: await issues.collect(() => resolveCluster(cluster, storage, issues, load)),
  }
  // What depends on a section that is wrong cannot be checked.
  const checkedAccess = issues.has(['listen'])
    ? undefined
    : await issues.collect(() => resolveAccess(access, resolved.listen!, issues, load))
  const checkedDefault = issues.has(['upstreams'])
    ? undefined
    : await issues.collect(() => resolveDefault(defaultUpstream, upstreams, resolved.upstreams, issues))
  if (resolved.listen && resolved.admin) checkPorts(resolved.listen, resolved.admin, issues)
  issues.throwIfAny()
  if (warn) {
    idlePatterns(entries, resolved.upstreams, issues).forEach(warn)
    shellWords(source.tree, issues).forEach(warn)
    for (const name of ['listen', 'admin'] as const) {
      const { tls } = resolved[name] || {}
      const problem = tls && validityProblem(tls.cert.text, now())
      if (problem !== undefined) warn(issues.key([name, 'tls', 'cert'], problem).message)
    }
  }
  return deepFreeze({
    listen: resolved.listen!,
    admin: resolved.admin!,
    access: checkedAccess!,
    events: resolved.events,
    replicate: resolved.replicate,
    storage: resolved.storage!,
    ...(resolved.cluster && { cluster: resolved.cluster }),
    ...rest,
    defaultUpstream: checkedDefault!,
    upstreams: resolved.upstreams,
  })
}

const LOGINS: ReadonlySet<PropertyKey | undefined> = new Set(['username', 'password', 'proxy'])

/** The login of an upstream is shown to nobody. Without the token of the admin listener one may read. */
function lackingSecret(path: KeyPath): 'issue' | 'keep' | 'omit' {
  if (path.join('.') === 'admin.token') return 'omit'
  return path[0] === 'upstreams' && LOGINS.has(path.at(-1)) ? 'keep' : 'issue'
}

/**
 * Reads the values. A section with an issue, or an upstream, gets its defaults: the others are checked all
 * the same.
 */
function parseEntries(tree: unknown, issues: Issues): FileContent {
  const result = fileSchema.safeParse(tree, { reportInput: true })
  if (result.success) return result.data
  for (const issue of schemaIssues(result.error, issues)) issues.add(issue)
  const { upstreams, ...rest } = isRecord(tree) ? tree : {}
  const sound = (values: object, at: KeyPath) =>
    Object.fromEntries(Object.entries(values).filter(([key]) => !issues.has([...at, key])))
  const soundUpstreams = isRecord(upstreams) ? sound(upstreams, ['upstreams']) : {}
  return fileSchema.parse({ ...sound(rest, []), upstreams: soundUpstreams })
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function readConfigFile(file: string, required: boolean): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new ConfigError([`${file}: cannot read the configuration: ${reasonOf(error)}`])
  }
}

type DeepReadonly<T> = T extends TagPattern ? T : { readonly [K in keyof T]: DeepReadonly<T[K]> }

function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze)
  return Object.freeze(value) as DeepReadonly<T>
}
