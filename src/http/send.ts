import type { OutgoingHttpHeaders } from 'node:http'
import { renderCacheStatus } from './headers/cache-status.ts'
import type { Exchange } from './exchange.ts'

/** Writes the status and the headers of an answer, which are the same for GET and HEAD. */
export function sendHead(
  { outgoing, cacheStatus, failure, requestId, warning }: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
): void {
  // RFC 7234 section 5.5.7: podman, skopeo and CRI-O print it.
  if (warning !== undefined) outgoing.setHeader('Warning', `299 - "${warning}"`)
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

/**
 * Answers with a body that is in memory, in one piece or several. A long body is not copied: however many
 * clients are slow to read it, it is in memory once.
 */
export function send(
  exchange: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
  body: Buffer | readonly Buffer[],
): void {
  const pieces = Buffer.isBuffer(body) ? [body] : body
  let length = 0
  for (const piece of pieces) length += piece.length
  sendHead(exchange, status, { ...headers, 'Content-Length': length })
  const { outgoing, isHead } = exchange
  // Node writes text in one piece with the headers, and bytes as a vector, which costs a tenth of a small
  // answer.
  const last = length <= IN_ONE_WRITE ? textOf(pieces) : pieces.at(-1)!
  const end = () => {
    // The client may have left meanwhile.
    if (outgoing.destroyed) return
    if (isHead) return void outgoing.end()
    if (pieces.length > 1 && length > IN_ONE_WRITE)
      for (const piece of pieces.slice(0, -1)) outgoing.write(piece)
    outgoing.end(last, 'latin1', () => void (exchange.bytesSent = length))
  }
  // Answers that are ready in the same turn of the event loop are written one right after the other. A write
  // that must wake up the client costs several times as much as a write to a client that is awake.
  setImmediate(end)
}

function textOf(pieces: readonly Buffer[]): string {
  return pieces.length === 1 ? pieces[0]!.toString('latin1') : Buffer.concat(pieces).toString('latin1')
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
