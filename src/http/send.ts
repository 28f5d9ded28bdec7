import type { OutgoingHttpHeaders } from 'node:http'
import { renderCacheStatus } from './headers/cache-status.ts'
import type { Exchange } from './exchange.ts'

/** Writes the status and the headers of an answer, which are the same for GET and HEAD. */
export function sendHead(
  { outgoing, cacheStatus, failure, requestId }: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
): void {
  outgoing.strictContentLength = true
  outgoing.writeHead(status, {
    ...headers,
    // A browser runs nothing of what is served, and guesses no type.
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'Docker-Distribution-Api-Version': 'registry/2.0',
    'Cache-Status': renderCacheStatus(cacheStatus, failure),
    'X-Request-Id': requestId,
  })
}

/** Bytes that libuv writes at once from its stack. */
const IN_ONE_WRITE = 12 * 1024

/** Answers with a body that is in memory. */
export function send(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body: Buffer): void {
  sendHead(exchange, status, { ...headers, 'Content-Length': body.length })
  const { outgoing, isHead } = exchange
  // Node writes text in one piece with the headers, and bytes as a vector, which costs a tenth of a small
  // answer.
  const piece = body.length <= IN_ONE_WRITE ? body.toString('latin1') : body
  const end = () => {
    // For a client that has left, Node counts no bytes and throws that the body is too short.
    if (outgoing.destroyed) return
    if (isHead) outgoing.end()
    else outgoing.end(piece, 'latin1', () => void (exchange.bytesSent = body.length))
  }
  // Answers that are ready in the same turn of the event loop are written one right after the other. A write
  // that must wake up the client costs several times as much as a write to a client that is awake.
  setImmediate(end)
}

export function sendJson(
  exchange: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
  value: unknown,
): void {
  send(
    exchange,
    status,
    { 'Content-Type': 'application/json', ...headers },
    Buffer.from(JSON.stringify(value)),
  )
}
