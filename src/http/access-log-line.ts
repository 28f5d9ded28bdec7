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
 */
export function requestLines(): (record: RequestRecord) => string {
  const isoTime = isoTimes()
  return (record) => {
    const { kind, userAgent, identity, repository, reference, range, cache, cost, failure } = record
    let line = `{"level":30,"time":"${isoTime(record.time)}","method":${quoted(record.method)}`
    if (kind !== undefined) line += `,"kind":"${kind}"`
    line += `,"client":${quoted(record.client)}`
    if (userAgent !== undefined) line += `,"userAgent":${quoted(userAgent)}`
    line += `,"requestId":"${record.requestId}"`
    if (record.traceId !== undefined) line += `,"traceId":"${record.traceId}"`
    if (identity !== undefined) line += `,"identity":${quoted(identity)}`
    if (repository === undefined) line += `,"path":${quoted(record.path)}`
    else {
      line += `,"upstream":"${record.upstream}","repository":"${repository}"`
      if (reference !== undefined) line += `,"reference":"${reference}"`
    }
    if (range !== undefined) line += `,"range":${quoted(range)}`
    line += `,"status":${record.status},"bytes":${record.bytes},"ms":${Math.round(record.ms * 10) / 10}`
    if (cache !== undefined) line += `,"cache":"${cache}"`
    if (cost !== undefined)
      line += `,"upstreamRequests":${cost.requests},"upstreamMs":${Math.round(cost.seconds * 10_000) / 10}`
    if (record.isAborted) line += ',"aborted":true'
    if (failure !== undefined) {
      line += `,"error":"${failure.code}","detail":${JSON.stringify(failure.detail)}`
    }
    return `${line},"msg":"request"}\n`
  }
}

/** What JSON takes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/

function quoted(text: string): string {
  const short = text.length > LONGEST ? text.slice(0, LONGEST) : text
  return PLAIN.test(short) ? `"${short}"` : JSON.stringify(short)
}

/**
 * As `Date.prototype.toISOString`, which takes ten times as long as to change the milliseconds of the last.
 */
function isoTimes(): (time: number) => string {
  let second = Number.NaN
  let text = ''
  return (time) => {
    const wanted = Math.floor(time / 1000)
    if (wanted !== second) {
      second = wanted
      text = new Date(wanted * 1000).toISOString().slice(0, 20)
    }
    const ms = time - wanted * 1000
    return `${text}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
  }
}
