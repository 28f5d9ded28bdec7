import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { TagChange } from '../../ports/metadata.ts'
import type { ImageContent } from '../../ports/operations.ts'
import type { RouteReport } from '../../ports/insight/why.ts'
import type { Answer } from '../answers.ts'
import type { StoreTrouble } from '../store-watch.ts'
import type { Held } from '../../ports/time.ts'
import type { UpstreamView } from '../upstream-watch.ts'

/** An upstream, as one repository meets it. */
export interface RepositoryView extends UpstreamView {
  /** The pattern of the credentials that it is read with; undefined: those of the upstream itself. */
  readonly login: string | undefined
}

/** All that is known of one image. Instants are epoch milliseconds. */
export interface Facts {
  readonly image: string
  readonly repository: RepositoryName
  readonly reference: { readonly tag: string } | { readonly digest: Digest }
  readonly route: RouteReport
  readonly access: string
  readonly upstream: RepositoryView
  readonly tag?: TagFacts | undefined
  /** Newest first. */
  readonly history: readonly TagChange[]
  /** Of the digest that was asked for, or that the tag points to. */
  readonly content?: ImageContent | undefined
  readonly pinnedBy?: string | undefined
  /** Of the repository, newest first. */
  readonly answers: readonly Answer[]
  /** Of each endpoint of the upstream, where it has several, newest first. */
  readonly byEndpoint: readonly (Answer & { readonly endpoint: string })[]
  readonly storeTrouble?: StoreTrouble | undefined
  readonly now: number
}

export interface TagFacts {
  readonly digest: Digest
  readonly checkedAt: number
  readonly state: 'fresh' | 'stale' | 'expired'
  readonly ttl: number
  readonly servedUntil: number
  /** When upstream had deleted it; it is kept. */
  readonly goneAt?: number | undefined
  /** What a cool-down serves instead of the digest. */
  readonly held?: Held | undefined
}
