import { checkAuthorities } from '../certificates.ts'
import { type CredentialsConfig, resolveCredentials } from './credentials.ts'
import type { LoadedFile, LoadFile } from '../files.ts'
import type { KeyPath, Issues } from '../issues.ts'
import type { WayEntry } from '../schema/upstream-schema.ts'

/** How an upstream, or an endpoint of it, is reached. */
export interface Way
  extends CredentialsConfig, Pick<WayEntry, 'allowPrivate' | 'insecure' | 'proxy' | 'api'> {
  /** The origin, `https://registry-1.docker.io`. */
  readonly url: string
  /** Origins. */
  readonly tokenRealms: string[]
  /** PEM certificates. */
  readonly ca?: LoadedFile
}

/** @param knownRealms those of a public registry @throws ConfigIssue */
export async function resolveWay(
  at: KeyPath,
  url: string,
  entry: WayEntry,
  knownRealms: string[],
  issues: Issues,
  load: LoadFile,
): Promise<Way> {
  const { allowPrivate, insecure, proxy, api, tokenRealms = knownRealms } = entry
  if (insecure === true && entry.ca !== undefined) {
    issues.add(issues.value([...at, 'insecure'], 'cannot be combined with ca'))
  }
  const credentials = await issues.collect(() => resolveCredentials(at, entry, url, issues, load))
  const ca =
    entry.ca === undefined ? undefined : await loadCertificates([...at, 'ca'], entry.ca, issues, load)
  return {
    url,
    tokenRealms,
    ...credentials,
    ...(ca && { ca }),
    ...(allowPrivate !== undefined && { allowPrivate }),
    ...(insecure !== undefined && { insecure }),
    ...(proxy !== undefined && { proxy }),
    ...(api !== undefined && { api }),
  }
}

export async function loadCertificates(
  at: KeyPath,
  file: string,
  issues: Issues,
  load: LoadFile,
): Promise<LoadedFile> {
  const loaded = await load(at, file)
  try {
    checkAuthorities(loaded.text)
  } catch (error) {
    throw issues.value(at, (error as Error).message)
  }
  return loaded
}
