import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { PushCredentials } from '../../ports/moving/push.ts'
import { askHelper } from '../../upstream/credentials/credential-helper.ts'
import { parseDockerConfig, serverName } from '../../upstream/credentials/docker-config.ts'
import { helperEnvironment } from '../../upstream/credentials/helper-environment.ts'

/**
 * What `docker login` has left on this machine for a registry: in `$DOCKER_CONFIG/config.json` or
 * `~/.docker/config.json`, or in the helper that it names.
 *
 * @param url its origin
 * @returns undefined when there is none
 * @throws Error that names the file or the helper, and nothing of what is in it
 */
export async function dockerLogin(
  url: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<PushCredentials | undefined> {
  const file = join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? homedir(), '.docker'), 'config.json')
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Error(`${file} cannot be read: ${error.code}`, { cause: error })
  })
  if (text === undefined) return undefined
  const registry = new URL(url)
  const entry = parseDockerConfig(text, registry)
  if (entry === undefined) throw new Error(`${file} is no configuration of Docker: it is no JSON object`)
  const name = entry.helper ?? entry.store
  if (name === undefined) return entry.credentials
  const run = { name, server: serverName(registry), env: helperEnvironment(env), signal: NEVER }
  const found = await askHelper(run).catch((error: Error) => {
    throw new Error(error.message, { cause: error })
  })
  return found ?? (entry.helper === undefined ? entry.credentials : undefined)
}

const NEVER = new AbortController().signal
