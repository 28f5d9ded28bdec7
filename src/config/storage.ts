import { resolve } from 'node:path'
import type { z } from 'zod'
import type { LoadFile } from './files.ts'
import type { KeyPath, Issues } from './issues.ts'
import type { storageSchema } from './schema/storage-schema.ts'

type StorageEntry = z.output<typeof storageSchema>
type S3Entry = NonNullable<StorageEntry['s3']>

/** `root` is absolute. */
export type StorageConfig = Omit<StorageEntry, 's3' | 'index'> & {
  readonly s3?: S3Config
  readonly index?: IndexConfig
}

export interface IndexConfig {
  /** With a password, where it has one. */
  readonly postgres: string
  readonly password?: string
  /** Absolute; the file that the password came from, if any. */
  readonly passwordFile?: string
}

export type S3Config = Omit<S3Entry, 'prefix' | 'accessKeyId' | 'secretAccessKey' | 'secretAccessKeyFile'> & {
  /** Empty, or with a slash at its end. */
  readonly prefix: string
  /** Omitted: the process has a role, by the environment or the platform. */
  readonly keys?: S3Keys
}

export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Absolute; the file that the secret came from, if any. */
  readonly secretAccessKeyFile?: string
}

/** @throws ConfigIssue */
export async function resolveStorage(
  { s3, index, ...storage }: StorageEntry,
  folder: string,
  issues: Issues,
  load: LoadFile,
): Promise<StorageConfig> {
  return {
    ...storage,
    root: resolve(folder, storage.root),
    ...(s3 && { s3: await resolveS3(['storage', 's3'], s3, issues, load) }),
    ...(index && { index: await resolveIndex(index, issues, load) }),
  }
}

async function resolveIndex(
  { postgres, passwordFile }: NonNullable<StorageEntry['index']>,
  issues: Issues,
  load: LoadFile,
): Promise<IndexConfig> {
  const url = URL.parse(postgres)
  if (url === null)
    throw issues.key(
      ['storage', 'index', 'postgres'],
      'must be a URL such as postgres://entrepot@db/entrepot',
    )
  if (passwordFile === undefined) return { postgres }
  const key = ['storage', 'index', 'passwordFile']
  if (url.password !== '') throw issues.value(key, 'cannot be combined with a password in postgres')
  const { path, text } = await load(key, passwordFile)
  if (text.trim() === '') throw issues.value(key, 'must be a file that is not empty')
  return { postgres, password: text.trim(), passwordFile: path }
}

async function resolveS3(at: KeyPath, entry: S3Entry, issues: Issues, load: LoadFile): Promise<S3Config> {
  const { prefix = '', accessKeyId, secretAccessKey, secretAccessKeyFile, ...rest } = entry
  const keys = await resolveKeys(at, { accessKeyId, secretAccessKey, secretAccessKeyFile }, issues, load)
  return {
    ...rest,
    ...(keys && { keys }),
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
  }
}

async function resolveKeys(
  at: KeyPath,
  {
    accessKeyId,
    secretAccessKey,
    secretAccessKeyFile,
  }: Pick<S3Entry, 'accessKeyId' | 'secretAccessKey' | 'secretAccessKeyFile'>,
  issues: Issues,
  load: LoadFile,
): Promise<S3Keys | undefined> {
  const key = [...at, 'secretAccessKeyFile']
  const hasSecret = secretAccessKey !== undefined || secretAccessKeyFile !== undefined
  if (accessKeyId === undefined) {
    if (hasSecret)
      throw issues.key([...at, 'accessKeyId'], 'is required with a secret; leave out both for a role')
    return undefined
  }
  if (secretAccessKey !== undefined) {
    if (secretAccessKeyFile !== undefined) throw issues.value(key, 'cannot be combined with secretAccessKey')
    return { accessKeyId, secretAccessKey }
  }
  if (secretAccessKeyFile === undefined) {
    throw issues.key([...at, 'secretAccessKey'], 'or secretAccessKeyFile is required with accessKeyId')
  }
  const { path, text } = await load(key, secretAccessKeyFile)
  if (text.trim() === '') throw issues.value(key, 'must be a file that is not empty')
  return { accessKeyId, secretAccessKey: text.trim(), secretAccessKeyFile: path }
}
