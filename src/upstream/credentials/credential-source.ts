import { askHelper } from './credential-helper.ts'
import { CredentialProblem, withoutCredentials } from './credential-problem.ts'
import type { Credentials, CredentialSource } from './credentials.ts'
import { type DockerConfigEntry, parseDockerConfig, serverName } from './docker-config.ts'
import { rememberedCredentials } from './cached-credentials.ts'
import { watchedFile } from './reloading-file.ts'

export interface CredentialSourceOptions {
  /** Named in errors. */
  readonly upstream: string
  /** Of the registry: helpers and Docker's config.json go by its host. */
  readonly url: string
  /** At most one of these three. A password that comes from a file is read from it again when the file changes. */
  readonly login?: { readonly username: string; readonly password: string; readonly passwordFile?: string }
  readonly helper?: string
  /** Path of a config.json. */
  readonly dockerConfig?: string
  /** What helpers run with. */
  readonly env: NodeJS.ProcessEnv
  /** Ends helpers that run. */
  readonly signal: AbortSignal
  /** Told when old credentials are used because new ones cannot be had. */
  readonly failed: (problem: unknown) => void
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

/** Where an upstream's credentials come from, as configured; nothing is read or run before they are asked for. */
export function credentialSource(options: CredentialSourceOptions): CredentialSource {
  const { upstream } = options
  const source = sourceOf(options)
  return (refused) =>
    source(refused).catch((error: unknown) => {
      throw withoutCredentials(upstream, error)
    })
}

function sourceOf(options: CredentialSourceOptions): CredentialSource {
  const { login, helper, dockerConfig } = options
  if (dockerConfig !== undefined) return fromDockerConfig(options, dockerConfig)
  if (helper !== undefined) return required(fromHelper(options, helper), options)
  if (login?.passwordFile !== undefined) return fromPasswordFile(options, login.username, login.passwordFile)
  return async () => login
}

function fromPasswordFile(
  { failed }: CredentialSourceOptions,
  username: string,
  path: string,
): CredentialSource {
  const read = watchedFile<Credentials>({
    path,
    what: 'password file',
    parse: (text) => (text.trim() === '' ? undefined : { username, password: text.trim() }),
    failed,
  })
  return (refused) => read(refused !== undefined)
}

function fromHelper(options: CredentialSourceOptions, name: string): CredentialSource {
  const { env, signal, failed, now = () => performance.now() } = options
  const server = serverName(new URL(options.url))
  return rememberedCredentials({ ask: () => askHelper({ name, server, env, signal }), failed, now })
}

function fromDockerConfig(options: CredentialSourceOptions, path: string): CredentialSource {
  const url = new URL(options.url)
  const read = watchedFile<DockerConfigEntry>({
    path,
    what: 'docker config',
    parse: (text) => parseDockerConfig(text, url),
    failed: options.failed,
  })
  const helpers = new Map<string, CredentialSource>()
  const ask = (name: string, refused: Credentials | undefined): Promise<Credentials | undefined> => {
    const known = helpers.get(name) ?? fromHelper(options, name)
    helpers.set(name, known)
    return known(refused)
  }
  return required(async (refused) => {
    const { helper, store, credentials } = await read(refused !== undefined)
    if (helper !== undefined) return ask(helper, refused)
    return (store === undefined ? undefined : await ask(store, refused)) ?? credentials
  }, options)
}

/** Who configures a source means to be known: a registry that it does not have is a mistake, and not somebody without a name. */
function required(source: CredentialSource, { url }: CredentialSourceOptions): CredentialSource {
  return async (refused) => {
    const found = await source(refused)
    if (found === undefined) throw new CredentialProblem(`there are no credentials for ${new URL(url).host}`)
    return found
  }
}
