import type { IncomingMessage } from 'node:http'
import type { Arrival } from '../ports/authenticator.ts'
import { certificateName } from './tls.ts'

export function arrivalOf(incoming: IncomingMessage): Arrival {
  const { socket, headers } = incoming
  return {
    address: socket.remoteAddress ?? '',
    // Node joins the lines of a header it does not know.
    forwardedFor: headers['x-forwarded-for']?.toString(),
    authorization: headers.authorization,
    certificate: certificateName(incoming),
  }
}
