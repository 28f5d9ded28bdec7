import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Script } from './script.ts'
import { reset } from '../reset.ts'

export interface WireRequest {
  readonly method: string
  /** Path and query as sent. */
  readonly target: string
  /** Names in lower case; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** The requests of one connection, one after the other: the next is read once the loop comes back for it. */
export async function* requestsOf(socket: Socket): AsyncGenerator<WireRequest> {
  let held = Buffer.alloc(0)
  const chunks = socket[Symbol.asyncIterator]()
  const more = async (): Promise<boolean> => {
    const { value, done } = await chunks.next()
    if (!done) held = Buffer.concat([held, value as Buffer])
    return !done
  }
  for (;;) {
    let end: number
    while ((end = held.indexOf('\r\n\r\n')) < 0) if (!(await more())) return
    const [requestLine, ...lines] = held.toString('latin1', 0, end).split('\r\n')
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon).toLowerCase()
      const value = line.slice(colon + 1).trim()
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
    }
    const bodyEnd = end + 4 + Number(headers['content-length'] ?? 0)
    while (held.length < bodyEnd) if (!(await more())) return
    const [method = '', target = ''] = requestLine!.split(' ')
    const body = held.toString('utf8', end + 4, bodyEnd)
    held = held.subarray(bodyEnd)
    yield { method, target, headers, body }
  }
}

export interface SendOptions {
  readonly script: Script
  readonly head: boolean
  readonly bytesPerSecond?: number
  /** Ends every wait: the connection is gone. */
  readonly signal: AbortSignal
  readonly sent: (bytes: number) => void
}

/** Writes `answer` as `script` bends it. @returns whether the connection can carry another request. */
export async function send(socket: Socket, answer: Answer, options: SendOptions): Promise<boolean> {
  const { script, signal } = options
  const { head, body, keepAlive, chunked } = render(answer, script)
  if (script.after) await Promise.race([script.after, aborted(signal)])
  if (script.delayMs === Infinity) await aborted(signal)
  if (script.delayMs) await sleep(script.delayMs, undefined, { signal })
  await write(socket, head, { signal, bytesPerSecond: script.headerBytesPerSecond })
  if (options.head) return keepAlive

  const put = async (piece: Buffer): Promise<void> => {
    if (piece.length === 0) return
    const framed = chunked
      ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
      : piece
    await write(socket, framed, options)
    options.sent(piece.length)
  }
  const { atByte } = script
  if (atByte === undefined) {
    await inPieces(body, options, put)
  } else {
    const rest = body.subarray(atByte.k)
    await inPieces(body.subarray(0, atByte.k), options, put)
    if (atByte.then === 'stall') await aborted(signal)
    if (atByte.then === 'reset') reset(socket)
    if (atByte.then === 'reset' || atByte.then === 'finish') return false
    if (atByte.then instanceof Promise) await Promise.race([atByte.then, aborted(signal)])
    await inPieces(
      atByte.then === 'garbage' ? (rest.map((byte) => byte ^ 0x5a) as Buffer) : rest,
      options,
      put,
    )
  }
  if (chunked) await write(socket, Buffer.from('0\r\n\r\n'), { signal })
  return keepAlive
}

function render(
  answer: Answer,
  script: Script,
): { head: Buffer; body: Buffer; keepAlive: boolean; chunked: boolean } {
  const status = script.status ?? answer.status
  const scripted =
    script.body ?? (script.status !== undefined && status >= 400 ? errorBody(status) : undefined)
  let body = scripted === undefined ? answer.body : Buffer.from(scripted)
  if (script.encoding === 'gzip') body = gzipSync(body)
  if (script.flipByte !== undefined) {
    body = Buffer.from(body)
    body[script.flipByte]! ^= 0xff
  }
  const headers = new Map<string, [name: string, value: string]>()
  const set = (name: string, value: string | undefined): void => {
    headers.delete(name.toLowerCase())
    if (value !== undefined) headers.set(name.toLowerCase(), [name, value])
  }
  for (const [name, value] of Object.entries(answer.headers)) set(name, value)
  if (scripted !== undefined && status >= 400) set('Content-Type', 'application/json')
  if (script.encoding !== undefined) set('Content-Encoding', script.encoding)
  const length = script.contentLength ?? body.length
  if (length === 'chunked') set('Transfer-Encoding', 'chunked')
  else if (length === 'none') set('Connection', 'close')
  // A HEAD answer carries the length of what GET would send; so does an answer that has it set already.
  set('Content-Length', typeof length === 'number' ? String(length) : undefined)
  for (const [name, value] of Object.entries(script.headers ?? {})) set(name, value)
  const lines = [...headers.values()].map(([name, value]) => `${name}: ${value}\r\n`)
  const keepAlive = headers.get('connection')?.[1].toLowerCase() !== 'close'
  return {
    head: Buffer.from(`HTTP/1.1 ${status} Scripted\r\n${lines.join('')}\r\n`, 'latin1'),
    body,
    keepAlive,
    chunked: length === 'chunked',
  }
}

export function errorBody(status: number, code = 'UNKNOWN'): Buffer {
  return Buffer.from(JSON.stringify({ errors: [{ code, message: `answer ${status} of the fake upstream` }] }))
}

const PIECE = 256 * 1024

/** A limited connection sends fifty small pieces a second, so that the limit is smooth. */
async function inPieces(
  body: Buffer,
  { bytesPerSecond }: { bytesPerSecond?: number },
  put: (piece: Buffer) => Promise<void>,
): Promise<void> {
  const size = bytesPerSecond === undefined ? PIECE : Math.max(1, Math.ceil(bytesPerSecond / 50))
  for (let at = 0; at < body.length; at += size) await put(body.subarray(at, at + size))
}

async function write(
  socket: Socket,
  bytes: Buffer,
  { signal, bytesPerSecond }: { signal: AbortSignal; bytesPerSecond?: number },
): Promise<void> {
  signal.throwIfAborted()
  const step = bytesPerSecond === undefined ? bytes.length : Math.max(1, Math.ceil(bytesPerSecond / 50))
  for (let at = 0; at < bytes.length; at += step) {
    const piece = bytes.subarray(at, at + step)
    const pause =
      bytesPerSecond === undefined
        ? undefined
        : sleep((1000 * piece.length) / bytesPerSecond, undefined, { signal })
    if (!socket.write(piece)) await Promise.all([once(socket, 'drain', { signal }), pause])
    else await pause
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
