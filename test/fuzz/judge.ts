import { digestOf, parseDigest } from '../../src/oci/digest.ts'
import type { RecordedRequest } from '../support/fake-upstream.ts'
import type { Response } from './wire.ts'

/** All that the proxy ever says; a header that is none of these came from a request, or from upstream. */
const ANSWERED = new Set(
  `accept-ranges allow cache-status connection content-length content-range content-security-policy content-type
  date docker-content-digest docker-distribution-api-version etag keep-alive link oci-filters-applied oci-namespace
  retry-after transfer-encoding warning vary www-authenticate x-content-type-options x-docker-registry-standalone x-request-id`.split(
    /\s+/,
  ),
)

/** What is wrong with an answer; undefined = nothing. */
export function wrongInAnswer({ status, headers, body }: Response): string | undefined {
  if (status >= 500) return `${status}: ${body.toString('latin1', 0, 300)}`
  for (const name of headers.keys()) if (!ANSWERED.has(name)) return `it has the header ${name}`
  const digest = headers.get('docker-content-digest')
  const isWhole = body.length > 0 && body.length === Number(headers.get('content-length'))
  if (status === 200 && digest !== undefined && isWhole && digestOf(body, parseDigest(digest)) !== digest)
    return `its body is not ${digest}`
  return undefined
}

const ASKED = new Set('accept accept-encoding authorization connection host range user-agent via'.split(' '))
/** Proxies that were passed, by protocol and name, and this one as the last. */
const VIA = /^(?:(?:HTTP\/)?\d\.\d [\w.:-]{1,100}, ){0,20}1\.1 entrepot-[\da-f]{16}$/
const TARGET =
  /^\/v2\/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*\/(?:(?:manifests|blobs|referrers)\/[\w.:-]+|tags\/list)(?:\?[\w=&.%:+!'()*~-]*)?$/

/** What is wrong with a request upstream; undefined = nothing. */
export function wrongUpstream(
  { method, target, headers }: RecordedRequest,
  authority: string,
): string | undefined {
  if (method !== 'GET' && method !== 'HEAD') return `${method} ${target}`
  if (!TARGET.test(target) && target !== '/v2/') return target
  if (!VIA.test(headers['via'] ?? '')) return `${target} with the Via ${headers['via']}`
  if (headers['host'] !== authority) return `${target} with the Host ${headers['host']}`
  const foreign = Object.keys(headers).find((name) => !ASKED.has(name))
  return foreign === undefined ? undefined : `${target} with the header ${foreign}`
}
