import type { RepositoryName } from '../oci/reference.ts'

/** What a request tells about who sends it. None of it is believed yet, but for `address` and `certificate`. */
export interface Arrival {
  /** Of the socket's other end. */
  readonly address: string
  /** The X-Forwarded-For header, its lines joined by commas. */
  readonly forwardedFor?: string | undefined
  /** The Authorization header. */
  readonly authorization?: string | undefined
  /** The name in the client certificate, where there is one and TLS has verified it. */
  readonly certificate?: string | undefined
}

/** Someone who may use the registry. */
export interface Visitor {
  /** `ci-7` by password, `cert:ci-7` by certificate, `oidc:…` by token; undefined = nobody had to say who they are. */
  readonly identity?: string | undefined
  /**
   * @param repository undefined for `/v2/`, where clients find out whether they have to say who they are, and whether it is true
   * @throws RegistryError UNAUTHORIZED, DENIED when it is not for this visitor
   */
  authorize(repository?: RepositoryName): void
}

/** Asked before anything is looked up. */
export interface Gate {
  /** @throws RegistryError UNAUTHORIZED when they have to say who they are, DENIED, TOOMANYREQUESTS. */
  admit(arrival: Arrival): Promise<Visitor>
}
