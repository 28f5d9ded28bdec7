import { failure } from '../fake-upstream/registry.ts'
import { empty, type Layer, partsOf } from './layer.ts'

export interface StorageOptions {
  readonly status?: 302 | 303 | 307
  /** Signed URLs are for GET: a HEAD of them is answered 403. */
  readonly getOnly?: boolean
  /** HEAD is answered by the registry itself. */
  readonly headsHere?: boolean
}

const SIGNATURE = 'X-Sig=a%2Bb%2Fc%3D&X-Expires=600'

/** Blobs are redirected to signed URLs of a storage service, to which the registry's token must not come. */
export function redirectsBlobs({ status = 307, headsHere = false }: StorageOptions = {}): Layer {
  return (request, next, { besides }) => {
    const parts = partsOf(request.target)
    if (parts?.kind !== 'blobs' || (headsHere && request.method === 'HEAD')) return next(request)
    const answer = next(request)
    if (answer.status >= 400 && answer.status !== 416) return answer
    return empty(status, { Location: `${besides}/store/${parts.repository}/${parts.reference}?${SIGNATURE}` })
  }
}

/** The storage service. It says nothing of digests, and refuses an Authorization besides the signature as S3 does. */
export function storage({ getOnly = false }: StorageOptions = {}): Layer {
  return (request, next) => {
    const match = /^\/store\/(.+)\/(sha\d+:[0-9a-f]+)\?(.*)$/.exec(request.target)
    if (match === null || match[3] !== SIGNATURE) return failure(403, 'SIGNATURE')
    if (request.headers['authorization'] !== undefined) return failure(400, 'ONE_AUTH_MECHANISM')
    if (getOnly && request.method === 'HEAD') return failure(403, 'SIGNATURE')
    const answer = next({ ...request, target: `/v2/${match[1]}/blobs/${match[2]}` })
    const { ETag: _etag, 'Docker-Content-Digest': _digest, ...headers } = answer.headers
    return { ...answer, headers: { ...headers, 'Content-Type': 'binary/octet-stream' } }
  }
}
