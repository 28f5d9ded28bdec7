import type { RequestListener } from 'node:http'
import { ClientPace } from '../../http/client-pace.ts'

/** Requests a second of one client. A dashboard sends a few, a script one after another. */
const REQUESTS = 50

/**
 * A listener that begins the requests of one client at a pace, two seconds late at most, but for those about
 * health: a probe gives up after a second.
 */
export function paced(listener: RequestListener): RequestListener {
  const pace = new ClientPace(REQUESTS)
  return (incoming, outgoing) => {
    const isProbe = /^\/(?:healthz|readyz)(?:\?|$)/.test(incoming.url!)
    const delay = isProbe ? 0 : pace.boundedDelay(incoming.socket.remoteAddress ?? '')
    if (delay === 0) listener(incoming, outgoing)
    else setTimeout(() => outgoing.destroyed || listener(incoming, outgoing), delay)
  }
}
