import type { OutgoingHttpHeaders } from 'node:http'
import { renderCacheStatus } from './headers/cache-status.ts'
import type { Exchange } from './exchange.ts'

/** Writes the head of an answer. The headers are the same for GET and HEAD. */
export function sendHead(
  { outgoing, cacheStatus, failure }: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
): void {
  outgoing.strictContentLength = true
  outgoing.writeHead(status, {
    ...headers,
    'Docker-Distribution-Api-Version': 'registry/2.0',
    'Cache-Status': renderCacheStatus(cacheStatus, failure),
  })
}

/** What libuv writes at once from its stack. Bytes. */
const IN_ONE_WRITE = 12 * 1024

/** Answers with what is in memory. */
export function send(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body: Buffer): void {
  sendHead(exchange, status, { ...headers, 'Content-Length': body.length })
  const { outgoing, isHead } = exchange
  // Node writes text in one piece with the head, and bytes as a vector, which costs a tenth of a small answer.
  const piece = body.length <= IN_ONE_WRITE ? body.toString('latin1') : body
  const leave = () => {
    // Node counts no byte for a client that has left meanwhile, and throws that they are too few.
    if (outgoing.destroyed) return
    if (isHead) outgoing.end()
    else outgoing.end(piece, 'latin1', () => void (exchange.bytesSent = body.length))
  }
  // What is ready in the same turn of the event loop leaves one right after the other: writing to a client that has to be woken
  // up costs several times what writing to one that is awake does.
  setImmediate(leave)
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
