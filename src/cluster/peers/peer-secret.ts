import { createHmac, timingSafeEqual } from 'node:crypto'

/** A replica shows by it that it is one. */
export const SECRET_HEADER = 'x-entrepot-peer'

export interface PeerSecret {
  /** What this replica shows. */
  token(): string
  isRight(token: string): boolean
}

/** The secret itself is never sent, because a peer's address comes from a table that others may write. */
export function peerSecret(secret: string): PeerSecret {
  const token = createHmac('sha256', secret).update('entrepot peer').digest('base64url')
  return {
    token: () => token,
    isRight(shown) {
      const [a, b] = [Buffer.from(shown), Buffer.from(token)]
      return a.length === b.length && timingSafeEqual(a, b)
    },
  }
}
