import type { ServerResponse } from 'node:http'
import { renderCacheStatus } from './headers/cache-status.ts'
import type { Exchange } from './exchange.ts'
import { type HeaderList, KeptHeaders } from './headers/head-template.ts'
import { httpDates } from './headers/http-date.ts'

/** Writes the status and the headers of an answer, which are the same for GET and HEAD. */
export function sendHead(exchange: Exchange, status: number, headers: HeaderList | KeptHeaders): void {
  const { outgoing, failure, requestId, namespace, warning, outbox } = exchange
  const cacheStatus = renderCacheStatus(exchange.cacheStatus, failure)
  if (!(headers instanceof KeptHeaders)) {
    outgoing.writeHead(status, listOf(headers, cacheStatus, exchange))
    return
  }
  let more = ''
  if (namespace !== undefined) more += `OCI-Namespace: ${namespace}\r\n`
  if (warning !== undefined) more += `Warning: ${warningText(warning)}\r\n`
  const varying = { cacheStatus, requestId, more, date: outbox.date() }
  if (headers.write(outgoing, status, varying)) return
  outgoing.writeHead(status, listOf(headers.list, cacheStatus, exchange))
  headers.learn(outgoing, status, varying)
}

function listOf(
  headers: HeaderList,
  cacheStatus: string,
  { requestId, namespace, warning }: Exchange,
): string[] {
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
    cacheStatus,
    'X-Request-Id',
    requestId,
  ]
  if (namespace !== undefined) list.push('OCI-Namespace', namespace)
  if (warning !== undefined) list.push('Warning', warningText(warning))
  return list
}

/** RFC 7234 section 5.5.7: podman, skopeo and CRI-O print it. */
function warningText(warning: string): string {
  return `299 - "${warning}"`
}

/** Bytes that libuv writes at once from its stack. */
const IN_ONE_WRITE = 12 * 1024
/** Bytes of one answer that are written in one turn of the event loop, */
const IN_ONE_TURN = 128 * 1024
/** of a longer one, */
const PART = 64 * 1024
/** and the milliseconds until the next ones: 20 to 30 MB/s. */
const PAUSE = 2

/**
 * Answers with a body that is in memory, in one piece or several, at once or when there is room for it. A long
 * body is not copied: however many clients are slow to read it, it is in memory once.
 *
 * @throws RegistryError TOOMANYREQUESTS, at once or later, when there is no room
 */
export function send(
  exchange: Exchange,
  status: number,
  headers: HeaderList,
  body: Buffer | readonly Buffer[],
): Promise<void> | undefined {
  return whenRoom(exchange, body, () => sendNow(exchange, status, headers, body))
}

function sendNow(
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

/** Answers with the whole of some content, whose length is one of its headers, as `send` does. */
export function sendContent(
  exchange: Exchange,
  headers: KeptHeaders,
  bytes: Buffer,
): Promise<void> | undefined {
  return whenRoom(exchange, bytes, () => {
    sendHead(exchange, 200, headers)
    exchange.outbox.add({ exchange, pieces: [bytes], length: bytes.length })
  })
}

function whenRoom(
  exchange: Exchange,
  body: Buffer | readonly Buffer[],
  begin: () => void,
): Promise<void> | undefined {
  const waits = exchange.room?.admit(exchange, body)
  // The client may have left meanwhile.
  if (waits !== undefined) return waits.then(() => exchange.isAborted || begin()).then(() => {})
  begin()
  return undefined
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
  /** The `Date` of an answer that is made now. */
  readonly date = httpDates()
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
  if (length > IN_ONE_TURN) return sendInParts(outgoing, pieces)
  for (const piece of pieces.slice(0, -1)) outgoing.write(piece)
  outgoing.end(pieces.at(-1)!)
}

/**
 * The kernel takes megabytes at once, and milliseconds for them. An answer takes several turns of the event loop,
 * and a part in each of them would hold up all others for as long as it is sent.
 */
function sendInParts(outgoing: ServerResponse, pieces: readonly Buffer[]): void {
  const parts = pieces.flatMap((piece) =>
    Array.from({ length: Math.ceil(piece.length / PART) }, (_, i) =>
      piece.subarray(i * PART, (i + 1) * PART),
    ),
  )
  let next = 0
  const send = (): void => {
    if (outgoing.destroyed) return
    const part = parts[next++]!
    if (next === parts.length) outgoing.end(part)
    else if (outgoing.write(part)) sendLater()
    else outgoing.once('drain', sendLater)
  }
  const sendLater = (): void => void setTimeout(send, PAUSE)
  send()
}

function textOf(pieces: readonly Buffer[]): string {
  return pieces.length === 1 ? pieces[0]!.toString('latin1') : Buffer.concat(pieces).toString('latin1')
}

export function sendJson(exchange: Exchange, status: number, headers: HeaderList, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value))
  sendNow(exchange, status, ['Content-Type', 'application/json', ...headers], body)
}
