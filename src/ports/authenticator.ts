import type { RepositoryName } from '../oci/reference.ts'

/** What a request says about its client. Only `address` and `certificate` are verified. */
export interface ClientInfo {
  /** The remote address of the socket. */
  readonly address: string
  /** The X-Forwarded-For header, its lines joined by commas. */
  readonly forwardedFor?: string | undefined
  /** The Authorization header. */
  readonly authorization?: string | undefined
  /** The name in the client certificate, if TLS has verified one. */
  readonly certificate?: string | undefined
}

/** An admitted client. */
export interface Principal {
  /** `ci-7` by password, `cert:ci-7` by certificate, `oidc:…` by token; undefined = anonymous. */
  readonly identity?: string | undefined
  /**
   * Checks that the principal may read `repository`. Without a repository it checks `/v2/`, where clients
   * find out whether they must log in and whether their credentials are valid.
   *
   * @throws RegistryError UNAUTHORIZED, DENIED
   */
  authorize(repository?: RepositoryName): void
  /** Whether `authorize` lets this repository be read: for who asks about many. */
  mayRead(repository: RepositoryName): boolean
}

/** Decides who may use the registry, before the registry looks anything up. */
export interface Authenticator {
  /**
   * @throws RegistryError UNAUTHORIZED, DENIED, TOOMANYREQUESTS; UPSTREAM_UNAVAILABLE when the issuer of
   * tokens is down
   */
  authenticate(client: ClientInfo): Promise<Principal>
}
