/** The cache as clients reach it, and what they are to send through it. */
export interface CacheForClients {
  /** Without a path: `http://cache.internal:5000`. */
  readonly url: URL
  readonly registries: readonly MirroredRegistry[]
  /** The registry of names that name none; undefined where the cache does not tell. */
  readonly defaultRegistry?: string | undefined
  /** PEM. The authority that signs the certificate of the cache, where clients do not know it. */
  readonly ca?: string
}

export interface MirroredRegistry {
  /** As images name it: `docker.io`, `example.internal:5443`. */
  readonly name: string
  /** Where clients go when the cache does not answer: `https://registry-1.docker.io`. */
  readonly server: string
  /** Its name as the first part of a path; undefined when it has no name without a port. */
  readonly path: string | undefined
}

/** What one client has to be told. */
export interface ClientSetup {
  readonly files: readonly ClientFile[]
  /** Commands that make the client read them. */
  readonly commands: readonly string[]
  /** What the files cannot do. */
  readonly notes: readonly string[]
}

export interface ClientFile {
  /** Absolute, from the root of the machine. */
  readonly path: string
  /**
   * The content that the file is to have, given what it has now (undefined: there is no file). What is there
   * stays, but for what this sets; so the result given again is unchanged.
   *
   * @throws Error that says what to do by hand
   */
  content(current: string | undefined): string
}

/** A file that is ours alone. */
export function ownFile(path: string, content: string): ClientFile {
  return { path, content: () => content }
}

/** The file with the authority that signs the certificate of the cache: none when clients know it already. */
export function authorityFile(path: string, { ca }: CacheForClients): readonly ClientFile[] {
  return ca === undefined ? [] : [ownFile(path, ca)]
}
