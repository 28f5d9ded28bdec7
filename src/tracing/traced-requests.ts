import type { IncomingMessage, RequestListener } from 'node:http'
import type { CacheStatus } from '../ports/read-options.ts'
import type { RequestKind } from '../ports/telemetry.ts'
import type { Span, Tracer } from '../ports/tracing.ts'

/** What is known of a request when its answer has ended. */
export interface FinishedRequest {
  readonly incoming: IncomingMessage
  readonly kind?: RequestKind
  readonly upstream?: string
  readonly repository?: string
  readonly reference?: string
  readonly client: string
  readonly requestId: string
  readonly cacheStatus?: CacheStatus
  readonly bytesSent: number
  readonly isAborted: boolean
  readonly failure?: unknown
}

export interface TracedRequests {
  /** `listener`, all of whose work belongs to the trace of its request. */
  listener(listener: RequestListener): RequestListener
  /** To be called once for each request that `listener` served. 499: the client left first. */
  finished(request: FinishedRequest, status: number): void
  /** The trace of a request. */
  traceId(incoming: IncomingMessage): string | undefined
}

const ROUTES: Readonly<Record<RequestKind, string>> = {
  blob: '/v2/{name}/blobs/{digest}',
  manifest: '/v2/{name}/manifests/{digest}',
  tag: '/v2/{name}/manifests/{tag}',
  tags: '/v2/{name}/tags/list',
  referrers: '/v2/{name}/referrers/{digest}',
  ping: '/v2/',
  search: '/v1/search',
}

/** Makes a trace of each request, or a part of the trace that its client began. */
export function tracedRequests(tracer: Tracer): TracedRequests {
  const spans = new WeakMap<IncomingMessage, Span>()

  return {
    listener: (listener) => (incoming, outgoing) => {
      const span = tracer.begin(incoming.method ?? 'GET', incoming.headers)
      spans.set(incoming, span)
      tracer.within(span, () => listener(incoming, outgoing))
    },
    finished(request, status) {
      const span = spans.get(request.incoming)
      if (span === undefined) return
      if (span.isRecording) describe(span, request, status)
      span.end(status >= 500 || request.isAborted ? (request.failure ?? `status ${status}`) : undefined)
    },
    traceId: (incoming) => spans.get(incoming)?.traceId,
  }
}

function describe(span: Span, request: FinishedRequest, status: number): void {
  const { incoming, kind, upstream, repository, reference, client, requestId, cacheStatus, bytesSent } =
    request
  const { method, url = '', headers } = incoming
  span.set({
    'http.request.method': method,
    'http.route': kind && ROUTES[kind],
    'url.path': url.replace(/\?.*$/, ''),
    'http.response.status_code': status,
    'http.response.body.size': bytesSent,
    'client.address': client,
    'user_agent.original': headers['user-agent']?.slice(0, 300),
    'http.request.header.range': headers.range?.slice(0, 100),
    'entrepot.request_id': requestId,
    'entrepot.upstream': upstream,
    'entrepot.repository': repository,
    'entrepot.reference': reference,
    'entrepot.cache': cacheStatus?.result,
    'entrepot.aborted': request.isAborted || undefined,
  })
}
