import { constants } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ServerOptions } from 'node:https'
import { TLSSocket } from 'node:tls'

/** PEM. */
export interface Tls {
  readonly cert: string
  readonly key: string
  /** Who may sign for clients. Without it they are not asked for a certificate. */
  readonly clientCa?: string
  /** Whether clients have to have one. */
  readonly clientAuth?: 'require' | 'optional'
}

/** For `https.createServer`, and but for what is not about certificates for `setSecureContext`. */
export function tlsOptions(
  { cert, key, clientCa, clientAuth = 'require' }: Tls,
  patience: number,
): ServerOptions {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    handshakeTimeout: patience,
    // A client that asks again and again for new keys costs us far more than itself.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(clientCa !== undefined && {
      ca: clientCa,
      requestCert: true,
      rejectUnauthorized: clientAuth === 'require',
    }),
  }
}

const NAME = /^[!-~]{1,256}$/
const FIRST_ALTERNATIVE = /^(?:DNS|URI|email):([!#-+\--~]{1,256})(?:, |$)/

/**
 * The name in a verified client certificate: its common name, else the first of its alternative names that stands for a machine
 * or a person. A certificate with neither, with two common names, or with other than printable ASCII has none.
 */
export function certificateName({ socket }: IncomingMessage): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject, subjectaltname } = socket.getPeerCertificate()
  const name: unknown = subject?.CN
  if (name === undefined) return FIRST_ALTERNATIVE.exec(subjectaltname ?? '')?.[1]
  return typeof name === 'string' && NAME.test(name) ? name : undefined
}
