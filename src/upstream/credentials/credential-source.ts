import type { Cloud } from '../../util/cloud-registries.ts'
import type { ProxyFor } from '../net/proxy-environment.ts'
import type { TrustStore } from '../net/trust-store.ts'
import { cachedCredentials } from './cached-credentials.ts'
import { cloudLogin } from './cloud/cloud-login.ts'
import { askHelper } from './credential-helper.ts'
import { CredentialProblem, withoutCredentials } from './credential-problem.ts'
import type { Credentials, CredentialSource } from './credentials.ts'
import { type DockerConfigEntry, parseDockerConfig, serverName } from './docker-config.ts'
import { helperEnvironment } from './helper-environment.ts'
import { reloadingFile } from './reloading-file.ts'
import { patternFor } from './repository-credentials.ts'

interface ConfiguredLogin {
  readonly username: string
  readonly password: string
  readonly passwordFile?: string
}

export interface RepositoryLogin extends ConfiguredLogin {
  /** A pattern of `util/glob.ts`. The first that matches decides. */
  readonly match: string
}

export interface CredentialSourceOptions {
  /** Named in errors. */
  readonly upstream: string
  /** Of the registry. Helpers and Docker's config.json know it by its host. */
  readonly url: string
  /** At most one of these four is set. The password is read again when `passwordFile` changes. */
  readonly login?: ConfiguredLogin
  readonly helper?: string
  /** Path of a config.json. */
  readonly dockerConfig?: string
  /** The identity of this workload at a cloud is exchanged for a login. */
  readonly cloud?: Cloud
  /** Replace the one of those four for the repositories that a pattern matches. Patterns are unique. */
  readonly repositoryLogins?: readonly RepositoryLogin[]
  /** The environment of this process. It says who we are at a cloud; helpers get a part of it. */
  readonly env: NodeJS.ProcessEnv
  /** The authorities that services of a cloud are verified with, */
  readonly trust: TrustStore
  /** and the way out to them. */
  readonly proxyFor?: ProxyFor | undefined
  /** Ends running helpers and exchanges. */
  readonly signal: AbortSignal
  /** Called when old credentials stay in use because new ones cannot be had. */
  readonly failed: (problem: unknown) => void
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number
}

/** The configured source of an upstream's credentials. It reads and runs nothing before its first call. */
export function credentialSource(options: CredentialSourceOptions): CredentialSource {
  const { upstream, repositoryLogins = [] } = options
  const own = sourceOf(options)
  const byPattern = new Map(repositoryLogins.map((login) => [login.match, fromLogin(options, login)]))
  const patternOf = patternFor([...byPattern.keys()])
  const sourceFor = (repository: string | undefined): Find => {
    const pattern = patternOf(repository)
    return pattern === undefined ? own : byPattern.get(pattern)!
  }
  return ({ repository, refused }) =>
    sourceFor(repository)(refused).catch((error: unknown) => {
      throw withoutCredentials(upstream, error)
    })
}

type Find = (refused: Credentials | undefined) => Promise<Credentials | undefined>

function sourceOf(options: CredentialSourceOptions): Find {
  const { login, helper, dockerConfig, cloud } = options
  if (dockerConfig !== undefined) return fromDockerConfig(options, dockerConfig)
  if (cloud !== undefined) return fromCloud(options, cloud)
  if (helper !== undefined) return required(fromHelper(options, helper), options)
  return login === undefined ? async () => undefined : fromLogin(options, login)
}

function fromLogin(options: CredentialSourceOptions, login: ConfiguredLogin): Find {
  const { username, passwordFile } = login
  return passwordFile === undefined ? async () => login : fromPasswordFile(options, username, passwordFile)
}

function fromPasswordFile({ failed }: CredentialSourceOptions, username: string, path: string): Find {
  const read = reloadingFile<Credentials>({
    path,
    what: 'password file',
    parse: (text) => (text.trim() === '' ? undefined : { username, password: text.trim() }),
    failed,
  })
  return (refused) => read(refused !== undefined)
}

function fromHelper(options: CredentialSourceOptions, name: string): Find {
  const { signal, failed, now = monotonic } = options
  const env = helperEnvironment(options.env)
  const server = serverName(new URL(options.url))
  const fetch = async () => {
    const credentials = await askHelper({ name, server, env, signal })
    return credentials && { credentials }
  }
  return cachedCredentials({ fetch, failed, now })
}

function fromCloud(options: CredentialSourceOptions, cloud: Cloud): Find {
  const { env, trust, proxyFor, signal, failed, now = monotonic } = options
  const { hostname: host } = new URL(options.url)
  return cachedCredentials<Credentials>({
    fetch: () => cloudLogin({ cloud, host, env, trust, proxyFor, signal }),
    failed,
    now,
  })
}

function monotonic(): number {
  return performance.now()
}

function fromDockerConfig(options: CredentialSourceOptions, path: string): Find {
  const url = new URL(options.url)
  const read = reloadingFile<DockerConfigEntry>({
    path,
    what: 'docker config',
    parse: (text) => parseDockerConfig(text, url),
    failed: options.failed,
  })
  const helpers = new Map<string, Find>()
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

/** A configured source that does not know the registry is a mistake, and no reason to be anonymous. */
function required(find: Find, { url }: CredentialSourceOptions): Find {
  return async (refused) => {
    const found = await find(refused)
    if (found === undefined) throw new CredentialProblem(`no credentials found for ${new URL(url).host}`)
    return found
  }
}
