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
} from './listeners.ts'
import { ConfigError } from './config-error.ts'
import { type Environment, expand } from './environment.ts'
import { fileLoader, reasonOf } from './files.ts'
import { firstMistake } from './first-issue.ts'
import { mistakesIn } from './issues.ts'
import { fileSchema } from './schema.ts'
import { resolveDefault, resolveUpstreams, type Upstreams } from './upstreams.ts'
import { parseYaml } from './yaml.ts'

type FileContent = z.output<typeof fileSchema>

/** What `config/schema.ts` describes, with the files it names read and paths absolute. Frozen throughout. */
export type Config = DeepReadonly<
  Omit<FileContent, 'listen' | 'admin' | 'access' | 'upstreams' | 'defaultUpstream'> & {
    listen: ListenConfig
    admin: AdminConfig | false
    access: AccessConfig
    /** The name of one of `upstreams`. */
    defaultUpstream: string
    /** By name. */
    upstreams: Upstreams
  }
>

export interface LoadConfigOptions {
  readonly file: string
  readonly env: Environment
  /** The user named the file. Otherwise the defaults hold where there is none. */
  readonly required: boolean
}

/** Paths in the file are relative to its folder. @throws ConfigError for the first mistake there is */
export async function loadConfig({ file, env, required }: LoadConfigOptions): Promise<Config> {
  const tree = parseYaml(file, await readConfigFile(file, required))
  const mistakes = mistakesIn(file, tree)
  const result = fileSchema.safeParse(expand(tree, env, mistakes))
  if (!result.success) throw firstMistake(result.error, mistakes)
  const { listen, admin, access, storage, upstreams: entries, defaultUpstream, ...rest } = result.data

  const folder = dirname(resolve(file))
  const load = fileLoader(folder, mistakes)
  const upstreams = await resolveUpstreams(entries, mistakes, load)
  const registryListener = await resolveListen(listen, mistakes, load)
  return deepFreeze({
    listen: registryListener,
    admin: await resolveAdmin(admin, mistakes, load),
    access: await resolveAccess(access, registryListener, mistakes, load),
    storage: { ...storage, root: resolve(folder, storage.root) },
    ...rest,
    defaultUpstream: resolveDefault(defaultUpstream, upstreams, mistakes),
    upstreams,
  })
}

async function readConfigFile(file: string, required: boolean): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new ConfigError(`${file}: the configuration cannot be read: ${reasonOf(error)}`)
  }
}

type DeepReadonly<T> = T extends RegExp ? T : { readonly [K in keyof T]: DeepReadonly<T[K]> }

function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze)
  return Object.freeze(value) as DeepReadonly<T>
}
