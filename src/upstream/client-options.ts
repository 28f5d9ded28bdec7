import type { LookupFunction } from 'node:net'
import type { Neighbours } from '../ports/cluster.ts'
import type { UpstreamTelemetry } from '../ports/telemetry.ts'
import type { Tracer } from '../ports/tracing.ts'
import type { V1Store } from '../ports/v1-images.ts'
import type { ReadingThread } from './body/reading-thread.ts'
import type { CredentialSource } from './credentials/credentials.ts'
import type { PatternFor } from './credentials/repository-credentials.ts'
import type { ProxyFor } from './net/proxy-environment.ts'
import type { TrustStore } from './net/trust-store.ts'
import type { UpstreamState } from './resilience/upstream-state.ts'

export interface UpstreamClientOptions {
  /** Its name in the configuration, for errors and metrics. */
  readonly name: string
  /** The URL before `/v2/`. It may have a path. */
  readonly url: string
  /** Given for a registry of the first protocol: where its images are kept. */
  readonly v1?: V1Store | undefined
  /** Anonymous without. */
  readonly credentials?: CredentialSource
  /** Tells which of several credentials a repository is read with. Omitted: all with the same. */
  readonly patternFor?: PatternFor
  /** Further origins that may issue tokens, such as `https://auth.docker.io`. */
  readonly tokenRealms?: readonly string[]
  /** The authorities to trust. Omitted: Node's own only. */
  readonly trust?: TrustStore
  /** Skips the verification of the certificates of `url` and `tokenRealms`. */
  readonly insecure?: boolean
  readonly timeouts?: UpstreamTimeouts
  /**
   * Redirects may lead to private addresses. Omitted: to those of the class of `url`, if that is private
   * itself.
   */
  readonly allowPrivate?: boolean
  /**
   * Requests for manifests, tags and tokens that wait for a response at once. Further ones wait for their
   * turn, within their deadline. Blobs are limited by `download/`.
   */
  readonly metadataRequests?: number
  /** The ports of our own listeners, to which no redirect leads. */
  readonly ownPorts?: () => Iterable<number>
  /** Bytes per second of all blobs together. Omitted: no limit. */
  readonly rate?: number
  readonly telemetry: UpstreamTelemetry
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number
  /** Omitted: every connection is direct. */
  readonly proxyFor?: ProxyFor
  /** Told when the host is out. */
  readonly state?: Pick<UpstreamState, 'report'>
  /** The other replicas. Omitted: there are none. */
  readonly neighbours?: Neighbours | undefined
  /** The `Via` header of a request that is sent now. */
  readonly via?: () => string
  /** Follows its requests. Omitted: nobody does. */
  readonly tracer?: Tracer | undefined
  /** Reads long answers, of other upstreams too. Omitted: a thread of its own does. */
  readonly reading?: ReadingThread
  /** Who has asked for what is being read: clients take turns. Omitted: repositories do. */
  readonly asker?: (() => string | undefined) | undefined
  /** Runs a minor garbage collection: see `minorGc`. */
  readonly collectGarbage?: () => void
  /** Replaces the system's name resolution. */
  readonly lookup?: LookupFunction
}

/** Milliseconds. */
export interface UpstreamTimeouts {
  /** From the name lookup to the connection, TLS included. */
  readonly connect?: number
  /** From the request to the whole response; for a blob to its headers. */
  readonly headers?: number
  /** Replaces `headers` for the GET of a blob. */
  readonly blob?: number
  /** Between two pieces of a body. */
  readonly idle?: number
}
