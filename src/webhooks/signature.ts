import { createHmac } from 'node:crypto'

export interface SignedMessage {
  /** Names the event: the same in every attempt. */
  readonly id: string
  /** When this attempt is made, in epoch seconds. */
  readonly timestamp: number
  readonly body: string
}

/** A secret that begins with this is base64. */
const PREFIX = 'whsec_'

/**
 * The headers by which a receiver knows that the message is ours, and not an old one sent again: those of
 * https://www.standardwebhooks.com, HMAC-SHA256 over `id.timestamp.body`.
 */
export function signatureHeaders(
  secret: string,
  { id, timestamp, body }: SignedMessage,
): Readonly<Record<string, string>> {
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': `v1,${signature}` }
}

function keyOf(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret)
}
