import { lstat } from 'node:fs/promises'
import type { Config } from './load-config.ts'

/** Permission bits of those who are neither the owner nor of the group. */
const OTHERS_WRITE = 0o002
const OTHERS_READ = 0o004
const OWNER_WRITES = 0o200

/**
 * The secret files that every user of this machine may change, or read: one line each.
 *
 * What orchestrators mount is left out: a link (Kubernetes), or a file that its owner cannot write either
 * (Docker). In a container there is nobody else.
 */
export async function exposedSecrets(config: Config): Promise<readonly string[]> {
  const lines = await Promise.all([...new Set(secretFiles(config))].map(exposure))
  return lines.filter((line) => line !== undefined)
}

async function exposure(path: string): Promise<string | undefined> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined || stats.isSymbolicLink()) return undefined
  const shown = (stats.mode & 0o777).toString(8)
  if ((stats.mode & OTHERS_WRITE) !== 0)
    return `${path} may be changed by every user (mode ${shown}): chmod 600`
  const isReadable = (stats.mode & OTHERS_READ) !== 0 && (stats.mode & OWNER_WRITES) !== 0
  return isReadable ? `${path} may be read by every user (mode ${shown}): chmod 600` : undefined
}

function secretFiles({
  listen,
  admin,
  access,
  events,
  replicate,
  storage,
  cluster,
  upstreams,
}: Config): readonly string[] {
  const all = Object.values(upstreams).flatMap((upstream) => upstream.endpoints ?? [upstream])
  return [
    listen.tls?.key.path,
    admin === false ? undefined : admin.tls?.key.path,
    admin === false ? undefined : admin.tokenFile?.path,
    access.htpasswd?.path,
    ...events.map(({ secretFile }) => secretFile?.path),
    ...replicate.map(({ login }) => login?.passwordFile),
    storage.s3?.keys?.secretAccessKeyFile,
    storage.index?.passwordFile,
    cluster?.secretFile,
    ...all.map(({ login }) => login?.passwordFile),
    ...all.flatMap(({ credentials = [] }) => credentials.map(({ passwordFile }) => passwordFile)),
    ...all.map(({ dockerConfig }) => dockerConfig),
  ].filter((path) => path !== undefined)
}
