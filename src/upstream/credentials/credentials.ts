/** What we show to be let in: a login, or what `docker login` got for one, good for nothing but to be exchanged for tokens. */
export type Credentials = Login | { readonly identityToken: string }

interface Login {
  readonly username: string
  readonly password: string
}

/**
 * Asked whenever credentials are to be sent, so that they may change. `refused` are those that upstream has just refused: newer
 * ones are looked for. The same object is given as long as they are the same. undefined = anonymous, because nothing else is
 * configured.
 *
 * @throws RegistryError UPSTREAM_UNAVAILABLE when the configured ones cannot be had: never anonymous instead.
 */
export type CredentialSource = (refused?: Credentials) => Promise<Credentials | undefined>

export function isLogin(credentials: Credentials): credentials is Login {
  return 'username' in credentials
}

export function sameCredentials(one: Credentials | undefined, other: Credentials | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return isLogin(one)
    ? isLogin(other) && one.username === other.username && one.password === other.password
    : !isLogin(other) && one.identityToken === other.identityToken
}

/** RFC 7617. */
export function basicAuthorization({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** As helpers and Docker's config.json write it: the user `<token>` stands for an identity token. */
export function credentialsOf(username: string, secret: string): Credentials {
  return username === '<token>' ? { identityToken: secret } : { username, password: secret }
}
