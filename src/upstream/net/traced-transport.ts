import type { Tracer } from '../../ports/tracing.ts'
import type { Transport } from '../requests.ts'

/**
 * `transport`, each of whose requests is a span, and carries its W3C headers. What follows `?` in a URL may be
 * a signature, and is not told.
 */
export function tracedTransport(transport: Transport, tracer: Tracer): Transport {
  return async (request) => {
    const { kind, method, url, headers } = request
    const send = () => transport({ ...request, headers: { ...headers, ...tracer.headers() } })
    const span = tracer.start(
      `${method} ${kind}`,
      {
        'http.request.method': method,
        'server.address': url.hostname,
        'server.port': Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
        'url.path': url.pathname,
        'http.request.header.range': headers?.['range'],
      },
      'client',
    )
    if (span === undefined) return send()
    try {
      const response = await tracer.within(span, send)
      span.set({ 'http.response.status_code': response.status })
      span.end(response.status >= 400 ? `status ${response.status}` : undefined)
      return response
    } catch (error) {
      span.end(error)
      throw error
    }
  }
}
