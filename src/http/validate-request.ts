import type { IncomingMessage } from 'node:http'
import { RegistryError } from '../oci/errors.ts'

/** Bytes. */
const MAX_URL_LENGTH = 8192
const ORIGIN_FORM = /^\/[!-[\]-~]*$/
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/**
 * Makes what validates a request before anything else reads it. It finds what Node accepts but two parsers may
 * read differently (RFC 9112 sections 3.2 and 11.2). The caller must close the connection of an invalid
 * request, for the bytes that follow it cannot be trusted either.
 *
 * @returns a function that returns the error to answer with, or undefined for a valid request
 */
export function requestValidator(): (incoming: IncomingMessage) => RegistryError | undefined {
  /** Most clients send the same one. */
  let lastHost: string | undefined
  const isHost = (host: string): boolean => {
    if (host === lastHost) return true
    // The grammar admits 1.2.3.400 and xn--a, which are no hosts.
    const isValid = HOST.test(host) && URL.canParse(`http://${host}`)
    if (isValid) lastHost = host
    return isValid
  }
  return (incoming) => validate(incoming, isHost)
}

function validate(incoming: IncomingMessage, isHost: (host: string) => boolean): RegistryError | undefined {
  const { method, rawHeaders, httpVersion } = incoming
  const url = incoming.url!
  if (url.length > MAX_URL_LENGTH) return new RegistryError('REQUEST_TOO_LONG', { limit: MAX_URL_LENGTH })
  if (!ORIGIN_FORM.test(url)) return invalid('the request target must be a path of printable ASCII')
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length !== 4 || rawHeaders[i]!.toLowerCase() !== 'host') continue
    if (++hosts > 1) return invalid('more than one Host header')
    if (!isHost(rawHeaders[i + 1]!)) return invalid('malformed Host header')
  }
  if (hosts === 0 && httpVersion !== '1.0') return invalid('no Host header')
  if ((method === 'GET' || method === 'HEAD') && announcesBody(incoming))
    return invalid('GET and HEAD take no body')
  return undefined
}

export function announcesBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0)
}

/** Bytes. */
const MAX_IGNORED_BODY = 1024 * 1024
const IGNORED_PIECE = 16 * 1024
/** What a body of unknown length is taken for. */
const UNKNOWN_PIECES = 4
/** Milliseconds. */
const IGNORED_BODY_TIMEOUT = 1000

/**
 * Reads and discards a body, within bounds of bytes and time. Closing a socket with unread bytes resets it,
 * and the reset can overtake the answer. Always resolves. A client that sent `Expect: 100-continue` sends no
 * body yet.
 */
export function ignoreBody(incoming: IncomingMessage): Promise<void> {
  if (incoming.headers.expect !== undefined) return Promise.resolve()
  return new Promise((resolve) => {
    let seen = 0
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(done, IGNORED_BODY_TIMEOUT)
    incoming.once('close', done).on('data', (chunk: Buffer) => {
      seen += chunk.length
      if (seen > MAX_IGNORED_BODY) done()
    })
  })
}

/** The work of ignoring the body of a request, in pieces of 16 KiB. */
export function ignoredPieces({ headers }: IncomingMessage): number {
  if (headers.expect !== undefined) return 1
  const length = headers['content-length']
  if (length === undefined) return UNKNOWN_PIECES
  return Math.max(1, Math.ceil(Math.min(Number(length), MAX_IGNORED_BODY) / IGNORED_PIECE))
}

function invalid(why: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', { why })
}
