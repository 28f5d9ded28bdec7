import type { IncomingMessage } from 'node:http'
import { RegistryError } from '../oci/errors.ts'

const LONGEST_URL = 8192
const ORIGIN_FORM = /^\/[!-[\]-~]*$/
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/**
 * Refuses what Node lets through and two parsers could understand differently (RFC 9112 sections 3.2 and 11.2), before anything
 * else looks at the request. Nothing that follows may be trusted either: the connection has to be closed.
 *
 * @returns what is wrong, undefined when nothing is.
 */
export function refusal(incoming: IncomingMessage): RegistryError | undefined {
  const { method, rawHeaders, httpVersion } = incoming
  const url = incoming.url!
  if (url.length > LONGEST_URL) return new RegistryError('REQUEST_TOO_LONG', { limit: LONGEST_URL })
  if (!ORIGIN_FORM.test(url)) return invalid('the request target is not a path of printable ASCII')
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length !== 4 || rawHeaders[i]!.toLowerCase() !== 'host') continue
    if (++hosts > 1) return invalid('more than one Host')
    const host = rawHeaders[i + 1]!
    // 1.2.3.400 and xn--a are of the grammar, but no hosts.
    if (!HOST.test(host) || !URL.canParse(`http://${host}`)) return invalid('malformed Host')
  }
  if (hosts === 0 && httpVersion !== '1.0') return invalid('no Host')
  if ((method === 'GET' || method === 'HEAD') && announcesBody(incoming)) return invalid('a read has no body')
  return undefined
}

export function announcesBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0)
}

const MOST_IGNORED = 1024 * 1024
const LONGEST_IGNORED = 1000

/**
 * Reads and forgets a body, in bounds: closing a socket with unread bytes resets it, and the reset can overtake the answer that
 * says why. Resolves in any case. With `Expect: 100-continue` the client waits for us instead.
 */
export function ignoreBody(incoming: IncomingMessage): Promise<void> {
  if (incoming.headers.expect !== undefined) return Promise.resolve()
  return new Promise((resolve) => {
    let seen = 0
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(done, LONGEST_IGNORED)
    incoming.once('close', done).on('data', (chunk: Buffer) => {
      seen += chunk.length
      if (seen > MOST_IGNORED) done()
    })
  })
}

function invalid(why: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', { why })
}
