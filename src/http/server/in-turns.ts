import type { IncomingMessage, RequestListener } from 'node:http'
import type { Turns } from './turns.ts'

/**
 * A listener that begins the requests of each client in its turns. The client of a request that had to wait
 * may have left by then.
 *
 * @param clientOf whom a request counts for
 * @param blobs turns of blobs, so that no manifest waits for the thousand blobs that its own client asked for
 */
export function inTurns(
  listener: RequestListener,
  clientOf: (incoming: IncomingMessage) => string,
  turns: Turns,
  blobs = turns,
): RequestListener {
  return (incoming, outgoing) => {
    const client = clientOf(incoming)
    const own = isBlob(incoming) ? blobs : turns
    if (own.mayBegin(client)) listener(incoming, outgoing)
    else own.wait(client, () => listener(incoming, outgoing))
  }
}

function isBlob({ method, url }: IncomingMessage): boolean {
  return method === 'GET' && url!.includes('/blobs/')
}
