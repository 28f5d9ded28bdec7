import { DirectBody } from '../body/direct-body.ts'
import { lengthOf } from '../body/blob-body.ts'
import type { ResponseHeaders } from '../requests.ts'
import { KEEP_ALIVE } from './connections.ts'
import { type HttpSide, LONG } from './http-side.ts'

export interface TakeOverOptions {
  readonly status: number
  readonly headers: ResponseHeaders
  /** Milliseconds between two reads of a body. */
  readonly idle: number
  /** Ends the body. */
  readonly signal: AbortSignal
  /** The body is over. */
  readonly over: () => void
}

/**
 * The body of a response that undici has parsed the head of, if it is long and has a length: it is then read
 * from the socket directly, which undici gives up. Otherwise undici reads it.
 */
export function takeOver(side: HttpSide | undefined, options: TakeOverOptions): DirectBody | undefined {
  if (side?.isHolding !== true) return undefined
  const { status, headers, idle, signal, over } = options
  const isFramed = (status === 200 || status === 206) && headers['transfer-encoding'] === undefined
  const length = isFramed ? lengthOf({ headers }) : undefined
  if (length === undefined || length < LONG) {
    side.release()
    return undefined
  }
  const { socket, scratch, pieces } = side
  const abort = (): void => body.destroy(signal.reason)
  const body = new DirectBody({
    socket,
    length,
    scratch,
    pieces,
    idle,
    over(isWhole) {
      const milliseconds = isWhole ? keptFor(headers) : 0
      if (milliseconds > 0) side.keep(socket, milliseconds)
      else socket.destroy()
      signal.removeEventListener('abort', abort)
      over()
    },
  })
  body.begin(side.detach(body))
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort)
  return body
}

/** Milliseconds by which we close a connection before the other side does. */
const BEFORE = 2_000

function keptFor(headers: ResponseHeaders): number {
  if (/\bclose\b/i.test(textOf(headers['connection']))) return 0
  const seconds = /\btimeout=(\d{1,9})/i.exec(textOf(headers['keep-alive']))?.[1]
  return seconds === undefined ? KEEP_ALIVE : Math.min(KEEP_ALIVE, Number(seconds) * 1000 - BEFORE)
}

function textOf(header: string | string[] | undefined): string {
  return [header ?? []].flat().join(',')
}
