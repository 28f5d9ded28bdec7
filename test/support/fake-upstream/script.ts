/**
 * What one answer of the fake upstream does other than it would by itself. What is left out stays as the correct registry
 * answers; so `{ atByte: { k: 1000, then: 'reset' } }` is the right answer, cut off.
 */
export interface Script {
  /** Only requests of this method; any without. */
  readonly method?: 'GET' | 'HEAD' | 'POST'
  readonly status?: number
  /** Replaces headers of the answer, written exactly as given; `undefined` leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** Without it a `status` of 400 and above gets a JSON error body. */
  readonly body?: Buffer | string
  /** A number is announced whatever the body's length is; 'none' is ended by closing the connection. */
  readonly contentLength?: number | 'chunked' | 'none'
  /** Before the status line; Infinity = accepts and never answers. */
  readonly delayMs?: number
  /** The answer begins once this resolves. */
  readonly after?: Promise<unknown>
  /** Status line and headers trickle at this speed. */
  readonly headerBytesPerSecond?: number
  /** The body trickles at this speed. */
  readonly bytesPerSecond?: number
  /** After `k` bytes of the body: nothing more, RST, FIN, other bytes than the true ones, or a pause until a promise resolves. */
  readonly atByte?: {
    readonly k: number
    readonly then: 'stall' | 'reset' | 'finish' | 'garbage' | Promise<unknown>
  }
  /** Inverts the byte at this position of the body. */
  readonly flipByte?: number
  /** Compresses the body and says so. */
  readonly encoding?: 'gzip'
  /** For how many requests, 1 without; then the next script for this path, then the correct answer. */
  readonly times?: number
}

/** `path` is the exact path without the query; a pattern is tried on path and query. */
export class ScriptBook {
  readonly #entries: { match: string | RegExp; script: Script; left: number }[] = []

  add(match: string | RegExp, script: Script): void {
    this.#entries.push({ match, script, left: script.times ?? 1 })
  }

  /** The first script that applies and is not used up; uses it once. */
  take(method: string, target: string): Script | undefined {
    const path = target.split('?', 1)[0]
    const entry = this.#entries.find(
      ({ match, script, left }) =>
        left > 0 &&
        (script.method ?? method) === method &&
        (typeof match === 'string' ? match === path : match.test(target)),
    )
    if (entry === undefined) return undefined
    entry.left -= 1
    return entry.script
  }

  clear(): void {
    this.#entries.length = 0
  }
}
