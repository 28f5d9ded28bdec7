/** Fetching ahead. The types are those of the admin API: sizes are bytes, `null` is what is not known. */

export interface WantedImage {
  /** As people write it: `node:20`, `ghcr.io/org/app@sha256:…`. */
  readonly image: string
  /** Patterns of `oci/platform.ts`. Left out: those that were pulled of it so far, else all. */
  readonly platforms?: readonly string[] | undefined
}

export interface MissingReport {
  readonly what: 'manifest' | 'blob' | 'platform' | 'referrers' | 'rest'
  readonly digest: string | null
  readonly platform: string | null
  readonly bytes: number | null
  /** One clause. */
  readonly why: string
}

export interface WarmedImage {
  readonly image: string
  /**
   * `done`: all of it is stored. `incomplete`: not all that was wanted. `failed`: nothing, and `said` why.
   * `later`: the rest of the rate limit is kept for pulls.
   */
  readonly state: 'done' | 'incomplete' | 'failed' | 'later'
  readonly digest: string | null
  /** Of what was fetched; empty of an image without an index. */
  readonly platforms: readonly string[]
  /** Why these: they were asked for, they were pulled before, or all are wanted. */
  readonly chosen: 'asked' | 'pulled' | 'all'
  readonly bytes: number
  /** Of those, what came from upstream now. */
  readonly fetched: number
  readonly missing: readonly MissingReport[]
  readonly said: string
}

/** An image that is on its way. */
export interface WarmProgress {
  readonly image: string
  readonly state: 'running'
  readonly bytes: number
  readonly done: number
  /** What is being read now. */
  readonly parts: readonly { readonly digest: string; readonly bytes: number; readonly done: number }[]
}

export interface WarmOptions {
  readonly signal: AbortSignal
  readonly referrers?: boolean | undefined
  readonly progress?: (progress: WarmProgress) => void
  /** Where a rate is given: waited for before a blob is asked for, and told its bytes. */
  readonly pace?: { ready(signal?: AbortSignal): Promise<void>; spent(bytes: number): void } | undefined
}

/** Brings one image into the store, as far as it can be had. @throws the reason of the signal */
export type Warm = (wanted: WantedImage, options: WarmOptions) => Promise<WarmedImage>

/** A tag after upstream was asked for it. */
export interface RefreshedTag {
  readonly image: string
  /** What was known before. */
  readonly from: string | null
  /** What upstream says now; null = it does not exist there. */
  readonly to: string | null
  /** What pulls get: not what upstream says where a cool-down holds that back, or a deleted tag is kept. */
  readonly served: string | null
}

/** Asks upstream for a tag, however fresh it is. @throws Error that says why it could not be asked */
export type Refresh = (image: string, signal?: AbortSignal) => Promise<RefreshedTag>
