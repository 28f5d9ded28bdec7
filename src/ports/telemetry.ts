import type { DigestList } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { ErrorDetail } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** Events that the parts report. `admin/metrics/` counts them; no part knows its listener. */

/** What a request to a registry asks for. `tag` is a manifest by tag, `search` names of repositories. */
export type RequestKind = 'blob' | 'manifest' | 'tag' | 'tags' | 'referrers' | 'ping' | 'search'

export interface RequestTelemetry {
  answered(request: {
    readonly kind: RequestKind
    readonly result: 'hit' | 'miss' | 'collapsed' | 'stale' | 'negative' | 'error'
    readonly upstream: string
    readonly repository: string
    /** The address of the client. */
    readonly client: string
    readonly isHead: boolean
    readonly seconds: number
    readonly bytes: number
  }): void
}

/** What the registry listener reports of every answer, also of those that address no upstream. */
export interface ResponseTelemetry {
  /** 499: the client left before the answer began. */
  responded(status: number): void
}

/**
 * The outcome of a login that a client sent: `unavailable` when the keys that verify its token are,
 * `limited` when too many passwords are being checked.
 */
export type LoginResult = 'accepted' | 'refused' | 'limited' | 'unavailable'

export interface LoginTelemetry {
  /** Everything in `by` but `address` is the client's own word. */
  login(result: LoginResult, by: { readonly address: string; readonly user?: string | undefined }): void
}

export interface ListenerTelemetry {
  /** The listener answers with a certificate that is valid until then, in epoch milliseconds. */
  certificate(listener: 'registry' | 'admin', validTo: number): void
}

export interface UpstreamTelemetry {
  /**
   * `status` is undefined when there was no response. `seconds` count from the request to the response's
   * headers.
   */
  answered(upstream: string, kind: RequestKind | 'token', status: number | undefined, seconds: number): void
  /** The upstream denied a request for good: 401 or 403, also with a new token. */
  denied(upstream: string): void
  received(upstream: string, bytes: number): void
  /**
   * A manifest or a list that was read takes so much of the processors: as much as a list of so many bytes. What is
   * as short as most are weighs nothing.
   */
  weighed?(upstream: string, weight: number): void
  /** How many requests it said it will still answer, and of how many. */
  rateLimit(
    upstream: string,
    remaining: number,
    budget: { readonly limit?: number | undefined; readonly isNearlyExhausted: boolean },
  ): void
  /**
   * Configured credentials were shown. `result` is refused while any of them is; `said` names who refused
   * them, and how. `shown`: which ones, by their pattern of repositories, and what became of them.
   */
  credentials(
    upstream: string,
    result: 'accepted' | 'refused',
    said?: string,
    shown?: { readonly pattern: string | undefined; readonly result: 'accepted' | 'refused' },
  ): void
  /**
   * `limited`: it gets no requests because it limits us. `out`: because it cannot be reached, or answers
   * nobody. `offline`: because somebody wants it so.
   */
  circuit(upstream: string, state: 'up' | 'limited' | 'out' | 'offline', reason?: ErrorDetail): void
}

export interface DownloadTelemetry {
  running(upstream: string, count: number): void
  /** How many downloads wait for a place at this upstream. */
  waiting(upstream: string, count: number): void
  resumed(upstream: string): void
}

export interface RemoteTelemetry {
  /** A request to S3 was answered. `status` is undefined when there was no response. */
  answered(operation: string, status: number | undefined, seconds: number): void
  /** So many blobs are committed here, and not uploaded yet. */
  waiting(uploads: number): void
  /**
   * The last sweep has found so many bytes, of which `kept` are never removed. `limit` is undefined where there is
   * none.
   */
  swept(stored: number, kept: number, limit: number | undefined): void
}

export interface ClusterTelemetry {
  /** The shared index answered a statement; `reason` says how it failed. */
  asked(seconds: number, reason?: string): void
  /** Where the others reach this replica, and how many there were lately. */
  replicas(address: string, count: number): void
}

export interface StoreTelemetry {
  evicted(reason: 'ttl' | 'quota' | 'purge' | 'corrupt'): void
  /** `reason` is the code of the system. */
  failed(operation: string, reason?: string): void
}

export interface IngestTelemetry extends Pick<StoreTelemetry, 'failed'> {
  /** Content was committed. */
  stored(digest: Digest): void
}

/** What becomes of images, which are more than the objects they consist of. */
export interface ImageTelemetry {
  /** A manifest was stored. `parts`: its config and layers, or the manifests of an index. */
  stored(
    repository: RepositoryName,
    digest: Digest,
    content: { readonly parts: DigestList; readonly isIndex: boolean },
  ): void
  /** Upstream said what a tag points to. `before`: what it was known to point to. */
  resolved(repository: RepositoryName, tag: string, digest: Digest, before: Digest | undefined): void
}
