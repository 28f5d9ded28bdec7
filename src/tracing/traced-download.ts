import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Tracer } from '../ports/tracing.ts'

/** A download while it runs. */
interface Running {
  /** Never rejects. */
  readonly ended: Promise<string>
}

/**
 * Starts downloads as parts of the request that began them. Such a part may end later than its request: the
 * download belongs to the proxy.
 */
export function tracedDownload(tracer: Tracer) {
  return <T extends Running>(repository: RepositoryName, digest: Digest, start: () => T): T => {
    const span = tracer.start('download', {
      'entrepot.upstream': repository.upstream,
      'entrepot.repository': repository.name,
      'entrepot.digest': digest,
    })
    if (span === undefined) return start()
    const download = tracer.within(span, start)
    void download.ended.then((outcome) => {
      span.set({ 'entrepot.outcome': outcome })
      span.end(outcome === 'committed' ? undefined : outcome)
    })
    return download
  }
}
