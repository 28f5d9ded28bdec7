/** A server of tokens, as distribution's docs/content/spec/auth/token.md has it and docker-registry 2.8 verifies them. */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { importPKCS8, SignJWT } from 'jose'
import { basicAuthorization } from '../../../src/upstream/credentials/credentials.ts'
import { selfSignedCertificate } from '../../support/fixtures.ts'

export interface TokenRequest {
  /** undefined when it came without a name. */
  readonly user: string | undefined
  readonly scope: string | null
  readonly status: number
}

export interface TokenServer extends AsyncDisposable {
  readonly url: string
  /** The section of a docker-registry's configuration that makes it trust these tokens. */
  readonly auth: object
  readonly requests: readonly TokenRequest[]
  /** Those that were given out, the newest last. */
  readonly tokens: readonly string[]
  password: string
}

export interface TokenServerOptions {
  /** For the certificate of its key. */
  readonly folder: string
  readonly username: string
  readonly password: string
  /** Seconds: a token ends after that many, or up to one less. */
  readonly life: number
}

const SERVICE = 'registry.test'
const ISSUER = 'token-server.test'
/** docker-registry still takes a token that ended this long ago (registry/auth/token/token.go, `Leeway`). */
const LEEWAY = 60

/**
 * Whoever comes without a name is given a token too, and that is good for all that is asked for, as with a public image: a proxy
 * that went there without its credentials would be served.
 */
export async function tokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const { folder, username, life } = options
  const { cert, key } = selfSignedCertificate()
  const rootcertbundle = join(folder, 'token-server.pem')
  await mkdir(folder, { recursive: true })
  await writeFile(rootcertbundle, cert)
  const signing = await importPKCS8(key, 'ES256')
  const x5c = [new X509Certificate(cert).raw.toString('base64')]
  const requests: TokenRequest[] = []
  const tokens: string[] = []

  const sign = (subject: string, scope: string | null): Promise<string> => {
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT({ access: accessOf(scope) })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c })
      .setIssuer(ISSUER)
      .setAudience(SERVICE)
      .setSubject(subject)
      .setNotBefore(now)
      .setExpirationTime(now + life - LEEWAY)
      .sign(signing)
  }

  const server = createServer(async (incoming, outgoing) => {
    const scopes = new URL(incoming.url ?? '', built.url).searchParams.getAll('scope')
    const scope = scopes.length === 0 ? null : scopes.join(' ')
    const { authorization } = incoming.headers
    const isKnown = authorization === basicAuthorization({ username, password: built.password })
    const status = authorization === undefined || isKnown ? 200 : 401
    requests.push({ user: userOf(authorization), scope, status })
    if (status !== 200) return void outgoing.writeHead(status).end()
    const token = await sign(userOf(authorization) ?? '', scope)
    tokens.push(token)
    outgoing.setHeader('Content-Type', 'application/json')
    outgoing.end(JSON.stringify({ token, expires_in: life }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const built: TokenServer = {
    url,
    auth: { token: { realm: `${url}/token`, service: SERVICE, issuer: ISSUER, rootcertbundle } },
    requests,
    tokens,
    password: options.password,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return built
}

function userOf(authorization: string | undefined): string | undefined {
  const [, encoded] = /^Basic (\S+)$/.exec(authorization ?? '') ?? []
  return encoded && Buffer.from(encoded, 'base64').toString().split(':')[0]
}

/** `repository:library/app:pull`, several with spaces between them, as the claim of the token has it. */
function accessOf(scope: string | null): readonly object[] {
  return (scope ?? '').split(' ').flatMap((one) => {
    const [, type, name, actions] = /^(\w+):(.+):([\w,*]+)$/.exec(one) ?? []
    return actions === undefined ? [] : [{ type, name, actions: actions.split(',') }]
  })
}
