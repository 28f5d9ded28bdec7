/** Why a pull on this machine would go past the cache, or fail. */
export interface Finding {
  readonly client: string
  /** A file, a URL or an image. */
  readonly where: string
  /** A clause that follows `where`. */
  readonly problem: string
  /** What to do, as a command or a sentence. */
  readonly fix: string
}

/** Where a client sends what it pulls. */
export interface MirrorUse {
  readonly client: string
  /** The file that says so. */
  readonly file: string
  /** As images name it; `*` for all that have no entry. */
  readonly registry: string
  /** `http://cache.internal:5000`, without a path. */
  readonly url: string
  /**
   * What the client puts up with: a certificate that it does not verify, TLS where it may speak plain HTTP.
   */
  readonly tolerates: readonly ('untrusted' | 'tls')[]
  /** The path of a file with the authorities of this mirror. */
  readonly authority?: string
}

/** What the files of one client say. */
export interface Inspection {
  readonly client: string
  readonly findings: readonly Finding[]
  readonly mirrors: readonly MirrorUse[]
  /** Images that its own files name. */
  readonly images: readonly NamedImage[]
}

export interface NamedImage {
  readonly image: string
  readonly file: string
}
