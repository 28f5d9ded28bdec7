import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { z } from 'zod'
import { ConfigError } from './config/config-error.ts'
import { type Environment, expand } from './config/environment.ts'
import { fileLoader, type LoadedFile, type LoadFile, reasonOf } from './config/files.ts'
import { firstMistake } from './config/first-mistake.ts'
import { type Mistakes, mistakesIn } from './config/mistakes.ts'
import { fileSchema } from './config/schema.ts'
import { resolveDefault, resolveUpstreams, type Upstreams } from './config/upstreams.ts'
import { parseYaml } from './config/yaml.ts'

type FileContent = z.output<typeof fileSchema>

/** What `config/schema.ts` describes, with the files it names read and paths absolute. Frozen throughout. */
export type Config = DeepReadonly<
  Omit<FileContent, 'listen' | 'upstreams' | 'defaultUpstream'> & {
    listen: Omit<FileContent['listen'], 'tls'> & { tls?: Tls }
    /** The name of one of `upstreams`. */
    defaultUpstream: string
    /** By name. */
    upstreams: Upstreams
  }
>

interface Tls {
  readonly cert: LoadedFile
  readonly key: LoadedFile
}

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
  const { listen, storage, upstreams: entries, defaultUpstream, ...rest } = result.data

  const folder = dirname(resolve(file))
  const load = fileLoader(folder, mistakes)
  const upstreams = await resolveUpstreams(entries, mistakes, load)
  const { tls: names, ...address } = listen
  const tls = names && (await loadTls(names, mistakes, load))
  return deepFreeze({
    listen: { ...address, ...(tls && { tls }) },
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

async function loadTls(
  names: { cert: string; key: string },
  mistakes: Mistakes,
  load: LoadFile,
): Promise<Tls> {
  const at = ['listen', 'tls']
  const cert = await load([...at, 'cert'], names.cert)
  const key = await load([...at, 'key'], names.key)
  try {
    createSecureContext({ cert: cert.text, key: key.text })
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw mistakes.value(at, `must be a PEM certificate and the key that belongs to it (${code})`)
  }
  return { cert, key }
}

type DeepReadonly<T> = T extends RegExp ? T : { readonly [K in keyof T]: DeepReadonly<T[K]> }

function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze)
  return Object.freeze(value) as DeepReadonly<T>
}
