/** An OpenID Connect issuer: signs tokens, and serves the keys they are verified with. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

export interface Issuer extends AsyncDisposable {
  readonly jwks: string
  /** Requests for the keys so far. */
  readonly asked: number
  /** What the next ones are answered with; the keys when undefined. */
  answer: { readonly status: number; readonly body: string } | undefined
  /** Signs with a new key from now on. The old ones are still served. */
  rotate(): Promise<void>
  /** A token of this issuer for `entrepot`, for five minutes; claims replace those. */
  token(claims?: JWTPayload, header?: { readonly kid?: string }): Promise<string>
}

export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'entrepot'

export async function issuer(): Promise<Issuer> {
  const keys: object[] = []
  let signing: Awaited<ReturnType<typeof generateKeyPair>>
  let asked = 0
  const server = createServer((_incoming, outgoing) => {
    asked++
    const { status, body } = built.answer ?? { status: 200, body: JSON.stringify({ keys }) }
    outgoing.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const built: Issuer = {
    jwks: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    get asked() {
      return asked
    },
    answer: undefined,
    async rotate() {
      signing = await generateKeyPair('ES256')
      keys.push({ ...(await exportJWK(signing.publicKey)), kid: `key-${keys.length + 1}`, alg: 'ES256' })
    },
    token(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000)
      return new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: 'ci-7', exp: now + 300, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: `key-${keys.length}`, ...header })
        .sign(signing.privateKey)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  await built.rotate()
  return built
}
