import type { RegistryError } from '../oci/errors.ts'
import type { CacheStatus } from '../ports/read-options.ts'
import type { RequestKind } from '../ports/telemetry.ts'

/** What is logged of a request. */
export interface RequestRecord {
  /** When it ended, in epoch milliseconds. */
  readonly time: number
  /** How long it took. */
  readonly ms: number
  readonly method: string
  readonly kind: RequestKind | undefined
  /** Its address. */
  readonly client: string
  readonly userAgent: string | undefined
  readonly requestId: string
  /** Where tracing is on. */
  readonly traceId: string | undefined
  readonly identity: string | undefined
  readonly upstream: string | undefined
  readonly repository: string | undefined
  readonly reference: string | undefined
  /** What keeps the text of these three where the path was asked for before. */
  readonly subject: SubjectText | undefined
  /** Logged when no repository was found. */
  readonly path: string
  readonly range: string | undefined
  readonly status: number
  readonly bytes: number
  readonly cache: CacheStatus['result'] | undefined
  /** What was sent upstream for it, until it ended. */
  readonly cost: { readonly requests: number; readonly seconds: number } | undefined
  /** Whether the client left before it had all that it had asked for. */
  readonly isAborted: boolean
  readonly failure: RegistryError | undefined
}

/** Characters of what a client may choose at will. */
const LONGEST = 300

/**
 * Makes the lines that pino would write for these fields at level `info`, with the message `request`. Written
 * out by hand, because pino takes several times as long. What has passed a validation that admits no
 * character that JSON escapes is not checked again: upstream, repository, reference and request id.
 *
 * To join the pieces of a line costs more than to make them. So what most lines have in common with earlier
 * ones is kept in one piece: the time, the client and what it asked for.
 */
export function requestLines(): (record: RequestRecord) => string {
  const beginningOf = beginnings()
  const clientOf = clientTexts()
  return (record) => {
    const { method, kind, identity, reference, subject, range, cost, failure } = record
    let line = beginningOf(record.time) + (method === 'GET' ? GET : `,"method":${quoted(method)}`)
    if (kind !== undefined) line += `,"kind":"${kind}"`
    line += clientOf(record.client, record.userAgent) + record.requestId
    if (record.traceId !== undefined) line += `","traceId":"${record.traceId}`
    line += '"'
    if (identity !== undefined) line += `,"identity":${quoted(identity)}`
    if (record.repository === undefined) line += `,"path":${quoted(record.path)}`
    else line += (subject ?? new SubjectText()).of(record.upstream, record.repository, reference)
    if (range !== undefined) line += `,"range":${quoted(range)}`
    line += record.status === 200 ? OK : `,"status":${record.status},"bytes":`
    line += `${record.bytes},"ms":${tenths(record.ms)}`
    if (record.cache === 'hit' && cost === undefined && !record.isAborted && failure === undefined) {
      return line + HIT
    }
    if (record.cache !== undefined) line += `,"cache":"${record.cache}"`
    if (cost !== undefined)
      line += `,"upstreamRequests":${cost.requests},"upstreamMs":${tenths(cost.seconds * 1000)}`
    if (record.isAborted) line += ',"aborted":true'
    if (failure !== undefined) {
      line += `,"error":"${failure.code}","detail":${JSON.stringify(failure.detail)}`
    }
    return line + END
  }
}

const GET = ',"method":"GET"'
const OK = ',"status":200,"bytes":'
const END = ',"msg":"request"}\n'
const HIT = `,"cache":"hit"${END}`

/** The part of a line that says what was asked for. Kept for the next request for the same. */
export class SubjectText {
  #upstream: string | undefined
  #repository: string | undefined
  #reference: string | undefined
  #text = ''

  of(upstream: string | undefined, repository: string, reference: string | undefined): string {
    if (repository === this.#repository && reference === this.#reference && upstream === this.#upstream) {
      return this.#text
    }
    const named = reference === undefined ? '' : `,"reference":"${reference}"`
    this.#text = inOnePiece(`,"upstream":"${upstream}","repository":"${repository}"${named}`)
    this.#upstream = upstream
    this.#repository = repository
    this.#reference = reference
    return this.#text
  }
}

/** Clients whose text is kept. */
const KNOWN_CLIENTS = 256

/** The part of a line from the client up to the request id. Kept for clients, with their last user agent. */
function clientTexts(): (client: string, userAgent: string | undefined) => string {
  const known = new Map<string, { readonly userAgent: string | undefined; readonly text: string }>()
  return (client, userAgent) => {
    const last = known.get(client)
    if (last !== undefined && last.userAgent === userAgent) return last.text
    const agent = userAgent === undefined ? '' : `,"userAgent":${quoted(userAgent)}`
    const text = inOnePiece(`,"client":${quoted(client)}${agent},"requestId":"`)
    if (client.length > LONGEST || (userAgent !== undefined && userAgent.length > LONGEST)) return text
    if (known.size >= KNOWN_CLIENTS) known.clear()
    // A part of a longer text, such as a header, would keep all of it.
    known.set(inOnePiece(client), { userAgent, text })
    return text
  }
}

/** V8 joins text when it is first read, each time anew where it has become a part of other text by then. */
function inOnePiece(text: string): string {
  return Buffer.from(text).toString()
}

/** A number of milliseconds, rounded to tenths. */
function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}

/** What JSON takes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/

function quoted(text: string): string {
  const short = text.length > LONGEST ? text.slice(0, LONGEST) : text
  return PLAIN.test(short) ? `"${short}"` : JSON.stringify(short)
}

/**
 * What lines of this time, in epoch milliseconds, begin with. `Date.prototype.toISOString` takes ten times as
 * long as to change the milliseconds of the last.
 */
function beginnings(): (time: number) => string {
  let last = Number.NaN
  let beginning = ''
  let second = Number.NaN
  let text = ''
  return (time) => {
    if (time === last) return beginning
    const wanted = Math.floor(time / 1000)
    if (wanted !== second) {
      second = wanted
      text = `{"level":30,"time":"${new Date(wanted * 1000).toISOString().slice(0, 20)}`
    }
    const ms = time - wanted * 1000
    last = time
    beginning = inOnePiece(`${text}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z"`)
    return beginning
  }
}
