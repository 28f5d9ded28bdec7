import type { OutgoingHttpHeaders } from 'node:http'
import { renderCacheStatus } from './cache-status.ts'
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

/** Answers with what is in memory. */
export function send(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body: Buffer): void {
  sendHead(exchange, status, { ...headers, 'Content-Length': body.length })
  if (exchange.isHead) exchange.outgoing.end()
  else exchange.outgoing.end(body, () => void (exchange.bytesSent = body.length))
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
