import { constants } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ServerOptions } from 'node:https'
import { TLSSocket } from 'node:tls'

/** PEM. */
export interface Tls {
  readonly cert: string
  readonly key: string
  /** The authority of client certificates. Without it, clients are not asked for a certificate. */
  readonly clientCa?: string
  /** Whether a client without a certificate is refused. */
  readonly clientAuth?: 'require' | 'optional'
}

/** Options for `https.createServer` and for `setSecureContext`. `handshakeTimeout` is in milliseconds. */
export function tlsOptions(
  { cert, key, clientCa, clientAuth = 'require' }: Tls,
  handshakeTimeout: number,
): ServerOptions {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    handshakeTimeout,
    // Renegotiation costs the server far more than the client. A resumed session is not verified again: its
    // certificate may have expired, or its authority may be trusted no more.
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION | (clientCa === undefined ? 0 : constants.SSL_OP_NO_TICKET),
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
 * Returns the name in a verified client certificate: the common name, else the first alternative name of type
 * DNS, URI or email. Returns undefined for a certificate without such a name, with two common names, or with
 * characters other than printable ASCII.
 */
export function certificateName({ socket }: IncomingMessage): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject, subjectaltname } = socket.getPeerCertificate()
  const name: unknown = subject?.CN
  if (name === undefined) return FIRST_ALTERNATIVE.exec(subjectaltname ?? '')?.[1]
  return typeof name === 'string' && NAME.test(name) ? name : undefined
}
