import type { z } from 'zod'
import { resolveLogin } from './upstreams/credentials.ts'
import type { LoadedFile, LoadFile } from './files.ts'
import type { Issues } from './issues.ts'
import type { replicateSchema } from './schema/replicate-schema.ts'
import { loadCertificates } from './upstreams/way.ts'

type ReplicateEntry = z.output<typeof replicateSchema>

/** A rule by which stored images are pushed to another registry. */
export interface ReplicateRule extends Omit<ReplicateEntry, 'username' | 'password' | 'passwordFile' | 'ca'> {
  readonly login?: { readonly username: string; readonly password: string; readonly passwordFile?: string }
  readonly ca?: LoadedFile
}

/** Reads the files. Rules with an issue are left out. */
export async function resolveReplicate(
  entries: readonly ReplicateEntry[],
  issues: Issues,
  load: LoadFile,
): Promise<ReplicateRule[]> {
  const rules: ReplicateRule[] = []
  for (const [i, entry] of entries.entries()) {
    const rule = await issues.collect(() => resolveRule(i, entry, issues, load))
    if (rule !== undefined) rules.push(rule)
  }
  return rules
}

async function resolveRule(
  i: number,
  { username, password, passwordFile, ca: caFile, ...rest }: ReplicateEntry,
  issues: Issues,
  load: LoadFile,
): Promise<ReplicateRule> {
  const at = ['replicate', i]
  if (rest.images.length === 0) throw issues.value([...at, 'images'], 'must name images')
  if (rest.on === 'schedule' && rest.schedule === undefined)
    throw issues.key([...at, 'schedule'], 'is required with on: schedule')
  if (rest.on === 'stored' && rest.schedule !== undefined)
    throw issues.value([...at, 'schedule'], 'needs on: schedule')
  const login = await resolveLogin(at, { username, password, passwordFile }, issues, load)
  const ca = caFile === undefined ? undefined : await loadCertificates([...at, 'ca'], caFile, issues, load)
  return { ...rest, ...(login && { login }), ...(ca && { ca }) }
}
