import type { ServerResponse } from 'node:http'

/** Names and values in turn, as Node takes them: an object for each answer would cost more. */
export type HeaderList = readonly string[]

/** The parts of a head that differ from answer to answer. Nothing in them ends a line. */
export interface VaryingHeaders {
  readonly cacheStatus: string
  readonly requestId: string
  readonly date: string
  /** Further lines, each with its line break. */
  readonly more: string
}

/** The text of a head, which Node does not document. A test holds what is made of it against Node's own. */
type WithHead = ServerResponse & { _header?: unknown }

const CACHE_STATUS = '\r\nCache-Status: '
const REQUEST_ID = '\r\nX-Request-Id: '
const DATE = '\r\nDate: '

/**
 * The headers of content that is answered again and again. Node checks each header of each answer by two
 * regular expressions, and joins it from four pieces, which is a tenth of a small answer. So the first head is
 * Node's, and becomes the template of the others: they differ in the date and in `VaryingHeaders` only.
 */
export class KeptHeaders {
  readonly list: HeaderList
  #status = 0
  /** What comes before the status of the cache, and after the date. */
  #begin = ''
  #end = ''

  constructor(list: HeaderList) {
    this.list = list
  }

  /**
   * Writes the head of a further answer.
   *
   * @returns false when Node has to write it: it is the first with this status, or not like the others
   */
  write(
    outgoing: ServerResponse,
    status: number,
    { cacheStatus, requestId, more, date }: VaryingHeaders,
  ): boolean {
    if (status !== this.#status || !isUsual(outgoing)) return false
    const head: WithHead = outgoing
    head.statusCode = status
    head._header =
      this.#begin + cacheStatus + REQUEST_ID + requestId + '\r\n' + more + 'Date: ' + date + this.#end
    return true
  }

  /** Takes the head that Node has written as the template. */
  learn(
    outgoing: ServerResponse,
    status: number,
    { cacheStatus, requestId, more, date }: VaryingHeaders,
  ): void {
    const { _header: head }: WithHead = outgoing
    if (typeof head !== 'string' || more !== '' || !isUsual(outgoing)) return
    const varying = CACHE_STATUS + cacheStatus + REQUEST_ID + requestId + DATE
    const at = head.indexOf(varying)
    if (at < 0) return
    this.#status = status
    this.#begin = head.slice(0, at) + CACHE_STATUS
    this.#end = head.slice(at + varying.length + date.length)
  }
}

/** Whether the connection stays open after the answer, and nobody has set a header of it. */
function isUsual(outgoing: ServerResponse): boolean {
  const { headers } = outgoing.req
  return outgoing.shouldKeepAlive && headers.expect === undefined && outgoing.getHeaderNames().length === 0
}
