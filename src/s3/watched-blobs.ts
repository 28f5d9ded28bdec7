import { isRegistryError, type RegistryError } from '../oci/errors.ts'
import type { RemoteBlobs } from '../ports/remote-blobs.ts'
import type { Trouble } from '../ports/insight/insight.ts'
import { s3Trouble } from './s3-trouble.ts'

export interface WatchedBlobs {
  readonly blobs: RemoteBlobs
  /** What fails now: a kind of request whose last one failed, unless that was an outage that is over. */
  readonly trouble: Trouble | undefined
}

/** Watches what becomes of the requests to a bucket, by their kind: it may give, and not take. */
export function watchedBlobs(remote: RemoteBlobs): WatchedBlobs {
  const failing = new Map<string, RegistryError>()

  async function watch<T>(kind: string, sent: Promise<T>): Promise<T> {
    try {
      const answer = await sent
      noteSuccess(kind)
      return answer
    } catch (error) {
      noteFailure(kind, error)
      throw error
    }
  }

  async function* list() {
    try {
      yield* remote.list()
      noteSuccess('list')
    } catch (error) {
      noteFailure('list', error)
      throw error
    }
  }

  /** Of some kinds the next request is an hour away. That an outage is over is known by any. */
  function noteSuccess(kind: string): void {
    failing.delete(kind)
    for (const [other, error] of failing) if (isOutage(other, error)) failing.delete(other)
  }

  /** A request that was not sent, because another one had just failed, tells nothing new. */
  function noteFailure(kind: string, error: unknown): void {
    if (!isRegistryError(error) || !error.code.startsWith('UPSTREAM_')) return
    if (error.detail['reason'] === 'out') return
    failing.delete(kind)
    failing.set(kind, error)
  }

  return {
    blobs: {
      ...remote,
      stat: (digest, signal) => watch('stat', remote.stat(digest, signal)),
      open: (digest, range, signal) => watch('open', remote.open(digest, range, signal)),
      put: (blob, signal) => watch('put', remote.put(blob, signal)),
      touch: (digest) => watch('touch', remote.touch(digest)),
      list,
      delete: (...digests) => watch('delete', remote.delete(...digests)),
    },
    get trouble() {
      const last = [...failing.values()].at(-1)
      return last && s3Trouble(last, failing.has('put'))
    },
  }
}

/** Rather than what the bucket does not do at all. Uploads are tried again soon, so their own success counts. */
function isOutage(kind: string, { code, detail: { status } }: RegistryError): boolean {
  if (code === 'UPSTREAM_DENIED') return false
  return status === undefined || (kind !== 'put' && Number(status) >= 500)
}
