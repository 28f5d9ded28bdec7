import type { IncomingMessage } from 'node:http'
import type { ClientInfo } from '../ports/authenticator.ts'
import { certificateName } from './server/tls.ts'

export function clientInfo(incoming: IncomingMessage): ClientInfo {
  const { socket, headers } = incoming
  return {
    address: socket.remoteAddress ?? '',
    // Node joins the lines of a header it does not know.
    forwardedFor: headers['x-forwarded-for']?.toString(),
    authorization: headers.authorization,
    certificate: certificateName(incoming),
  }
}
