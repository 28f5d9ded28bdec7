import type { ImagePattern } from '../../oci/image-pattern.ts'

/** Where images are pushed to, and as whom. */
export interface PushTarget {
  /** The origin of the registry, `https://registry.site-b.example`. */
  readonly url: string
  /** What the names of repositories begin with there; empty: nothing. */
  readonly path: string
  /** Anonymous without. */
  readonly credentials?: PushCredentials | undefined
  /** Origins that may get the credentials in exchange for a token, besides those of its domain. */
  readonly tokenRealms?: readonly string[] | undefined
  /** PEM certificates of authorities to trust besides the system's. */
  readonly ca?: string | undefined
}

/** A login, or the identity token that `docker login` got for one. */
export type PushCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }

export interface PushOptions {
  /** `linux/amd64`: only these of an index, which then is sparse at the destination. Empty: all. */
  readonly platforms: readonly string[]
  /** What refers to an image, such as its signatures, goes with it. */
  readonly referrers: boolean
  /** Repositories are named with their upstream at the destination, `docker.io/library/alpine`. */
  readonly withUpstream: boolean
  /** Bytes per second of all blobs together; undefined: no limit. */
  readonly rate?: number | undefined
}

export interface PushRequest extends PushOptions {
  readonly images: readonly ImagePattern[]
  readonly to: PushTarget
  /** Only tells what would be pushed, and asks the destination nothing. */
  readonly dryRun: boolean
}

/** One image, and how far it is. Sizes are bytes. */
export interface PushedImage {
  /** `docker.io/library/alpine:3` */
  readonly image: string
  readonly digest: string
  /** `registry.site-b.example/cache/library/alpine:3` */
  readonly to: string
  readonly state: 'planned' | 'pushing' | 'pushed' | 'unchanged' | 'failed' | 'not tried'
  /** What is stored of it. */
  readonly size: number
  /** Bytes that were sent. */
  readonly sent?: number
  /** How many blobs were sent, mounted from other repositories, or were there. */
  readonly blobs?: { readonly sent: number; readonly mounted: number; readonly present: number }
  /** It is an index of which only these platforms were pushed. */
  readonly sparse?: readonly string[]
  /** Until when a cool-down holds back what its tag points to, if it does: not that is pushed. ISO 8601. */
  readonly heldUntil?: string
  /** Why it failed. */
  readonly reason?: string
}

export interface RunningUpload {
  readonly repository: string
  readonly digest: string
  readonly size: number
  readonly sent: number
}

export interface PushReport {
  readonly images: number
  readonly pushed: number
  readonly unchanged: number
  readonly failed: number
  readonly notTried: number
  /** Bytes of blobs that were sent. */
  readonly sent: number
  readonly mounted: number
  readonly seconds: number
}

/** What happens in the course of a push: the plan, the images as they come, and what is being sent. */
export type PushStep =
  | { readonly step: 'plan'; readonly images: number; readonly bytes: number }
  | { readonly step: 'images'; readonly images: readonly PushedImage[] }
  | { readonly step: 'uploads'; readonly uploads: readonly RunningUpload[] }

export interface PushProgress {
  readonly signal: AbortSignal
  /** A step of the same key that nobody has seen yet is replaced. */
  readonly put: (key: string, step: PushStep) => void
}

/**
 * Pushes the stored images that match. What is not stored of them is fetched from their upstream. An image
 * that fails does not stop the others.
 *
 * @throws Error that says why nothing is pushed; the signal's reason
 */
export type Push = (request: PushRequest, progress: PushProgress) => Promise<PushReport>
