/** Of a request, by names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

/** What traces tell of a piece of work. Undefined is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

/** One piece of work in a trace. A trace that is not sampled has spans too, which record nothing. */
export interface Span {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  readonly isRecording: boolean
  set(attributes: SpanAttributes): void
  /** `failure`: why the work failed. */
  end(failure?: unknown): void
}

/**
 * Follows requests through the parts. Where tracing is off there is none, and nothing asks for one. The
 * current span goes along with asynchronous work.
 */
export interface Tracer {
  /** Begins the trace of a request, or goes on with the one that its W3C headers name. */
  begin(name: string, headers: RequestHeaders): Span
  /** Starts a part of the current span. Undefined when nobody records it. `client`: a request to elsewhere. */
  start(name: string, attributes: SpanAttributes, kind?: 'client'): Span | undefined
  /** Runs work with `span` as the current one. */
  within<T>(span: Span, work: () => T): T
  /** The W3C headers that name the current span. */
  headers(): Readonly<Record<string, string>>
}

export interface TracingTelemetry {
  /** `dropped`: there was no room in the queue. `failed`: the collector did not take them. */
  spans(result: 'exported' | 'failed' | 'dropped', count: number): void
}
