import { createHmac, timingSafeEqual } from 'node:crypto'

/** A replica shows by it that it is one. */
export const TOKEN_HEADER = 'x-entrepot-peer'

/** How many bytes it expects, where it knows. */
export const SIZE_HEADER = 'x-entrepot-size'

/** What a token is good for. */
export interface PeerRequest {
  /** The origin that is asked, as its replica advertises it. */
  readonly address: string
  readonly upstream: string
  readonly digest: string
}

export interface PeerTokens {
  /** What this replica shows for one request. */
  token(request: PeerRequest): string
  /** Whether a replica has made the token for this request, not long ago. */
  isRight(token: string, request: PeerRequest): boolean
}

export interface PeerTokensOptions {
  /** The same for all replicas. */
  readonly secret: string
  /** Epoch milliseconds, by a clock that all replicas have. */
  readonly now: () => number
}

/** Milliseconds before and after its instant in which a token is good: clocks are known to a second. */
const GOOD_FOR = 30_000
const TOKEN = /^(\d{1,15})\.([A-Za-z0-9_-]{43})$/

/**
 * The secret itself is never sent, because the address of a peer comes from a table that others may write. A token
 * is of one address, one blob and one minute: who captures it gets nothing that was not captured with it.
 */
export function peerTokens({ secret, now }: PeerTokensOptions): PeerTokens {
  const sign = (instant: string, { address, upstream, digest }: PeerRequest): Buffer =>
    createHmac('sha256', secret)
      .update(`entrepot peer\n${instant}\n${new URL(address).origin}\n${upstream}\n${digest}`)
      .digest()

  return {
    token(request) {
      const instant = String(Math.round(now()))
      return `${instant}.${sign(instant, request).toString('base64url')}`
    },
    isRight(token, request) {
      const [, instant, signature] = TOKEN.exec(token) ?? []
      if (instant === undefined || Math.abs(now() - Number(instant)) > GOOD_FOR) return false
      const shown = Buffer.from(signature!, 'base64url')
      const right = sign(instant, request)
      return shown.length === right.length && timingSafeEqual(shown, right)
    },
  }
}
