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
  /** Keeps what lines about one path have in common. Of `kind`, where the path was asked for before. */
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
 * ones is kept in one piece: the time, the client, what it asked for and how that was answered.
 */
export function requestLines(): (record: RequestRecord) => string {
  const beginningOf = beginnings()
  const clientOf = clientTexts()
  return (record) => {
    const { method, kind, identity, subject, range, cost, failure } = record
    let line = beginningOf(record.time)
    if (method === 'GET' && subject !== undefined) line += subject.get
    else line += `,"method":${quoted(method)}${kind === undefined ? '' : kindText(kind)}`
    line += clientOf(record.client, record.userAgent) + record.requestId
    if (record.traceId !== undefined) line += `","traceId":"${record.traceId}`
    if (identity !== undefined) line += `","identity":${quoted(identity).slice(0, -1)}`
    if (range === undefined && subject !== undefined && record.repository !== undefined) {
      line += subject.answered(record)
    } else {
      const of = record.repository === undefined ? `","path":${quoted(record.path)}` : namesText(record)
      line += of + (range === undefined ? '' : `,"range":${quoted(range)}`) + answeredText(record)
    }
    line += tenths(record.ms)
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

const END = ',"msg":"request"}\n'
const HIT = `,"cache":"hit"${END}`

type Subject = Pick<RequestRecord, 'upstream' | 'repository' | 'reference' | 'status' | 'bytes'>

/** What lines about one path have in common: what was asked for, and how it was answered last. */
export class SubjectText {
  /** How it is asked for by GET. */
  readonly get: string
  #last: Subject = { upstream: '', repository: '', reference: '', status: 0, bytes: 0 }
  #text = ''

  constructor(kind: RequestKind) {
    this.get = inOnePiece(`,"method":"GET"${kindText(kind)}`)
  }

  /** What comes between the request id and the duration. */
  answered({ upstream, repository, reference, status, bytes }: Subject): string {
    const last = this.#last
    const isSame =
      repository === last.repository &&
      reference === last.reference &&
      upstream === last.upstream &&
      status === last.status &&
      bytes === last.bytes
    if (isSame) return this.#text
    this.#last = { upstream, repository, reference, status, bytes }
    this.#text = inOnePiece(namesText(this.#last) + answeredText(this.#last))
    return this.#text
  }
}

function kindText(kind: RequestKind): string {
  return `,"kind":"${kind}"`
}

/** Ends the text before, for that is one piece less. */
function namesText({ upstream, repository, reference }: Subject): string {
  const named = reference === undefined ? '' : `,"reference":"${reference}"`
  return `","upstream":"${upstream}","repository":"${repository}"${named}`
}

function answeredText({ status, bytes }: Subject): string {
  return `,"status":${status},"bytes":${bytes},"ms":`
}

/** Clients whose text is kept. */
const KNOWN_CLIENTS = 256

/** The part of a line from the client up to the request id. Kept for clients, with their last user agent. */
function clientTexts(): (client: string, userAgent: string | undefined) => string {
  const known = new Map<string, { client: string; userAgent: string | undefined; text: string }>()
  let last = { client: '', userAgent: undefined as string | undefined, text: '' }
  return (client, userAgent) => {
    // Most requests follow one of the same client, and to compare costs less than to look up.
    if (last.client !== client) last = known.get(client) ?? { client: '', userAgent: undefined, text: '' }
    if (last.client === client && last.userAgent === userAgent && last.text !== '') return last.text
    const agent = userAgent === undefined ? '' : `,"userAgent":${quoted(userAgent)}`
    const text = inOnePiece(`,"client":${quoted(client)}${agent},"requestId":"`)
    if (client.length > LONGEST || (userAgent !== undefined && userAgent.length > LONGEST)) return text
    if (known.size >= KNOWN_CLIENTS) known.clear()
    // A part of a longer text, such as a header, would keep all of it.
    last = { client: inOnePiece(client), userAgent, text }
    known.set(last.client, last)
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
