import type { IncomingMessage, RequestListener } from 'node:http'
import type { Turns } from './turns.ts'

/**
 * A listener that begins the requests of each client in its turns. The client of a request that had to wait
 * may have left by then.
 *
 * @param clientOf whom a request counts for
 */
export function inTurns(
  listener: RequestListener,
  clientOf: (incoming: IncomingMessage) => string,
  turns: Turns,
): RequestListener {
  return (incoming, outgoing) => {
    const client = clientOf(incoming)
    if (turns.mayBegin(client)) listener(incoming, outgoing)
    else turns.wait(client, () => listener(incoming, outgoing))
  }
}
