import type { z } from 'zod'
import type { LoadFile } from './files.ts'
import type { Issues } from './issues.ts'
import type { clusterSchema, storageSchema } from './schema/storage-schema.ts'

type StorageEntry = z.output<typeof storageSchema>
type ClusterEntry = z.output<typeof clusterSchema>

export interface ClusterConfig {
  /** The origin at which the other replicas reach this one. */
  readonly advertise: string
  readonly secret: string
  /** Absolute. */
  readonly secretFile: string
}

const SHORTEST = 16

/**
 * Replicas share the content, the index and the secret: none of the three is of use without the others.
 *
 * @throws ConfigIssue
 */
export async function resolveCluster(
  entry: ClusterEntry | undefined,
  { s3, index }: StorageEntry,
  issues: Issues,
  load: LoadFile,
): Promise<ClusterConfig | undefined> {
  if (index !== undefined && s3 === undefined)
    throw issues.key(['storage', 's3'], 'is required with storage.index')
  if (index !== undefined && entry === undefined)
    throw issues.key(['cluster'], 'is required with storage.index')
  if (entry === undefined) return undefined
  if (index === undefined) throw issues.key(['storage', 'index'], 'is required with cluster')
  const { path, text } = await load(['cluster', 'secretFile'], entry.secretFile)
  const secret = text.trim()
  if (secret.length < SHORTEST) {
    throw issues.value(['cluster', 'secretFile'], `must be a file of at least ${SHORTEST} characters`)
  }
  return { advertise: entry.advertise, secret, secretFile: path }
}
