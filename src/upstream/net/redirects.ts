import { invalidAnswer } from '../failures.ts'
import {
  discard,
  headerOf,
  type Transport,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../requests.ts'

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const MAX_HOPS = 5
/** Storage services send these for a signed URL that has expired. */
const EXPIRED = new Set([401, 403, 404, 410])

export interface RedirectOptions {
  readonly upstream: string
  /** The registry's own origin. Another port is another origin. */
  readonly origin: string
  /** Sends requests to the registry itself, with our credentials. */
  readonly own: Transport
  /** Sends requests anywhere else, without credentials and cookies. */
  readonly others: Transport
}

/**
 * A transport that follows at most five redirects, never from https to http. A Location is used once and
 * never stored. If a signed URL has expired before its use, the registry is asked for another one, once.
 */
export function followRedirects(options: RedirectOptions): Transport {
  return async (request) => {
    const response = await follow(request, options)
    const { origin } = response.url
    const isFromWhomWeAsked = origin === options.origin || origin === request.url.origin
    if (isFromWhomWeAsked || !EXPIRED.has(response.status)) return response
    discard(response)
    return follow(request, options)
  }
}

async function follow(
  request: UpstreamRequest,
  { upstream, origin, own, others }: RedirectOptions,
): Promise<UpstreamResponse> {
  const seen = new Set<string>()
  for (let { url } = request; ;) {
    if (seen.has(url.href)) throw invalidAnswer(upstream, 'redirect loop')
    if (seen.size > MAX_HOPS) throw invalidAnswer(upstream, 'too many redirects')
    seen.add(url.href)
    const response = await (url.origin === origin ? own : others)({ ...withoutSecrets(request, url), url })
    if (!REDIRECTS.has(response.status)) return response
    discard(response)
    url = targetOf(response, upstream)
  }
}

/** What the caller shows, it shows to the origin that it asked. */
function withoutSecrets(request: UpstreamRequest, url: URL): UpstreamRequest {
  if (request.headers?.['authorization'] === undefined || url.origin === request.url.origin) return request
  const { authorization: _, ...headers } = request.headers
  return { ...request, headers }
}

function targetOf(response: UpstreamResponse, upstream: string): URL {
  const location = headerOf(response, 'location') ?? ''
  const target = URL.parse(location, response.url.href)
  if (location === '' || target === null) {
    throw invalidAnswer(upstream, 'redirect to nowhere', response.status)
  }
  const allowed = response.url.protocol === 'https:' ? ['https:'] : ['https:', 'http:']
  if (!allowed.includes(target.protocol)) {
    throw invalidAnswer(upstream, `redirect to ${target.protocol}//`, response.status)
  }
  target.username = ''
  target.password = ''
  target.hash = ''
  return target
}
