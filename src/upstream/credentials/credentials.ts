/** A login, or the identity token that `docker login` got for one, which can only be exchanged for tokens. */
export type Credentials = Login | { readonly identityToken: string }

interface Login {
  readonly username: string
  readonly password: string
}

export interface CredentialQuery {
  /** The repository that is about to be read, as the upstream names it. */
  readonly repository?: string
  /** Credentials that the upstream has just refused. The source looks for newer ones. */
  readonly refused?: Credentials
}

/**
 * Called whenever credentials are about to be sent, because they may have changed. Returns the same object as
 * long as the credentials are the same, and undefined (anonymous) only where none are configured.
 *
 * @throws RegistryError UPSTREAM_UNAVAILABLE when the configured credentials cannot be had. Never falls back
 * to anonymous.
 */
export type CredentialSource = (query: CredentialQuery) => Promise<Credentials | undefined>

export function isLogin(credentials: Credentials): credentials is Login {
  return 'username' in credentials
}

/** RFC 7617. */
export function basicAuthorization({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Reads a login as helpers and Docker's config.json write it: the user `<token>` marks an identity token. */
export function credentialsOf(username: string, secret: string): Credentials {
  return username === '<token>' ? { identityToken: secret } : { username, password: secret }
}
