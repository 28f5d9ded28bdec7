import { renderCacheStatus } from './headers/cache-status.ts'
import type { Exchange } from './exchange.ts'

/** Names and values in turn, as Node takes them: an object for each answer would cost more. */
export type HeaderList = readonly string[]

/** Writes the status and the headers of an answer, which are the same for GET and HEAD. */
export function sendHead(
  { outgoing, cacheStatus, failure, requestId, namespace, warning }: Exchange,
  status: number,
  headers: HeaderList,
): void {
  const list = [
    ...headers,
    // A browser runs nothing of what is served, and guesses no type.
    'X-Content-Type-Options',
    'nosniff',
    'Content-Security-Policy',
    "sandbox; default-src 'none'",
    'Docker-Distribution-Api-Version',
    'registry/2.0',
    'Cache-Status',
    renderCacheStatus(cacheStatus, failure),
    'X-Request-Id',
    requestId,
  ]
  if (namespace !== undefined) list.push('OCI-Namespace', namespace)
  // RFC 7234 section 5.5.7: podman, skopeo and CRI-O print it.
  if (warning !== undefined) list.push('Warning', `299 - "${warning}"`)
  outgoing.writeHead(status, list)
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
  headers: HeaderList,
  body: Buffer | readonly Buffer[],
): void {
  const pieces = Buffer.isBuffer(body) ? [body] : body
  let length = 0
  for (const piece of pieces) length += piece.length
  sendHead(exchange, status, [...headers, 'Content-Length', String(length)])
  exchange.outbox.add({ exchange, pieces, length })
}

interface ReadyAnswer {
  readonly exchange: Exchange
  readonly pieces: readonly Buffer[]
  /** Of the pieces together, in bytes. */
  readonly length: number
}

/**
 * Sends the answers that are ready in the same turn of the event loop right after each other, at its end. A
 * write that must wake up the client costs several times as much as a write to a client that is awake.
 */
export class Outbox {
  #ready: ReadyAnswer[] = []

  add(answer: ReadyAnswer): void {
    if (this.#ready.push(answer) === 1) setImmediate(this.#send)
  }

  readonly #send = (): void => {
    const ready = this.#ready
    this.#ready = []
    for (const answer of ready) end(answer)
  }
}

function end({ exchange, pieces, length }: ReadyAnswer): void {
  const { outgoing, isHead } = exchange
  // The client may have left meanwhile.
  if (outgoing.destroyed) return
  if (isHead) return void outgoing.end()
  exchange.bytesAtEnd = length
  // Node writes text in one piece with the headers, and bytes as a vector, which costs a tenth of a small
  // answer.
  if (length <= IN_ONE_WRITE) return void outgoing.end(textOf(pieces), 'latin1')
  for (const piece of pieces.slice(0, -1)) outgoing.write(piece)
  outgoing.end(pieces.at(-1)!)
}

function textOf(pieces: readonly Buffer[]): string {
  return pieces.length === 1 ? pieces[0]!.toString('latin1') : Buffer.concat(pieces).toString('latin1')
}

export function sendJson(exchange: Exchange, status: number, headers: HeaderList, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value))
  send(exchange, status, ['Content-Type', 'application/json', ...headers], body)
}
