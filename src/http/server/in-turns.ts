import type { IncomingMessage, RequestListener } from 'node:http'

/**
 * Requests of one client that begin in one turn of the event loop. No client opens more connections by itself,
 * and to put off a small answer costs a twentieth of it.
 */
const AT_ONCE = 16
/** Milliseconds of one turn in which requests begin that had to wait. */
const TURN = 2

/**
 * A listener that begins only some requests of a client in one turn of the event loop. Node hands over
 * hundreds in one go when they come at once, and whoever comes after them would wait for all (SEC-80). Those
 * that wait begin in the next turns, of each client one after the other. The
 * client of one may have left by then.
 *
 * @param clientOf whom a request counts for
 */
export function inTurns(
  listener: RequestListener,
  clientOf: (incoming: IncomingMessage) => string,
): RequestListener {
  const begun = new Map<string, number>()
  const waiting = new Map<string, (() => void)[]>()
  let isTurnAhead = false

  function begin(client: string, before = begun.get(client) ?? 0): void {
    begun.set(client, before + 1)
    if (isTurnAhead) return
    isTurnAhead = true
    setImmediate(turn)
  }

  function turn(): void {
    isTurnAhead = false
    begun.clear()
    if (waiting.size === 0) return
    const end = performance.now() + TURN
    // At least one, also where this thread was interrupted meanwhile: nobody else begins the next turn.
    do {
      const [client, requests] = waiting.entries().next().value ?? []
      if (client === undefined || requests === undefined) return
      const serve = requests.shift()!
      // The client goes to the end of the line.
      waiting.delete(client)
      if (requests.length > 0) waiting.set(client, requests)
      begin(client)
      serve()
    } while (performance.now() < end)
  }

  return (incoming, outgoing) => {
    const client = clientOf(incoming)
    const own = waiting.size === 0 ? undefined : waiting.get(client)
    const before = begun.get(client) ?? 0
    if (own === undefined && before < AT_ONCE) {
      begin(client, before)
      listener(incoming, outgoing)
      return
    }
    const serve = (): void => listener(incoming, outgoing)
    if (own === undefined) waiting.set(client, [serve])
    else own.push(serve)
  }
}
