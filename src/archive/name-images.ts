import type { Digest } from '../oci/digest.ts'
import { isRepositoryName, isTag, type RepositoryName } from '../oci/reference.ts'
import type { Registry } from '../ports/repository.ts'
import { findAllowed } from './find-allowed.ts'
import * as layout from './layout.ts'

/** Under which name an entry of an archive is stored. */
export interface NamedEntry {
  readonly entry: layout.LayoutEntry
  readonly repository: RepositoryName
  /** undefined = by digest alone. */
  readonly tag: string | undefined
}

export interface NamedEntries {
  readonly images: readonly NamedEntry[]
  /** Entries without a name, with the repository that they say they are of. */
  readonly unnamed: readonly {
    readonly entry: layout.LayoutEntry
    readonly repository: RepositoryName | undefined
  }[]
}

/**
 * Finds the repository of each entry among the configured upstreams.
 *
 * @param as `UPSTREAM/REPOSITORY`, instead of the names in the archive
 * @throws Error that says what to do
 */
export function nameImages(
  entries: readonly layout.LayoutEntry[],
  registry: Pick<Registry, 'find'>,
  as: string | undefined,
): NamedEntries {
  const images: NamedEntry[] = []
  const unnamed: NamedEntries['unnamed'][number][] = []
  const renamed = as === undefined ? undefined : repositoryOf(as, registry, '--as')
  const originals = new Set<string>()
  for (const entry of entries) {
    const { [layout.NAME]: name, [layout.REF_NAME]: ref, [layout.REPOSITORY]: of } = entry.annotations ?? {}
    const full = name ?? (ref !== undefined && /[/:]/.test(ref) ? ref : undefined)
    if (full === undefined && ref === undefined) {
      const repository = of === undefined ? undefined : (renamed ?? repositoryOf(of, registry, of))
      unnamed.push({ entry, repository })
      continue
    }
    const parsed = full === undefined ? undefined : parse(full, entry.digest)
    const tag = parsed === undefined ? ref : parsed.tag
    if (tag !== undefined && !isTag(tag)) throw new Error(`${JSON.stringify(tag.slice(0, 200))} is no tag`)
    if (parsed === undefined && renamed === undefined)
      throw new Error(`the archive names an image only ${ref}: say --as UPSTREAM/REPOSITORY`)
    originals.add(parsed?.repository ?? '')
    images.push({ entry, tag, repository: renamed ?? repositoryOf(parsed!.repository, registry, full!) })
  }
  if (renamed !== undefined && originals.size > 1) {
    throw new Error(
      `--as names one repository, and the archive has ${originals.size}: ${[...originals].join(', ')}`,
    )
  }
  // A layout that somebody else wrote may hold one image, and no name.
  const [alone, ...others] = unnamed
  if (renamed !== undefined && images.length === 0 && alone !== undefined && others.length === 0)
    return { images: [{ entry: alone.entry, repository: renamed, tag: 'latest' }], unnamed: [] }
  return { images, unnamed }
}

/** Entries without a name are of the repository they say, or of that of all others. */
export function referring({ unnamed, images }: NamedEntries): readonly NamedEntry[] {
  const all = new Map(
    images.map(({ repository }) => [`${repository.upstream}/${repository.name}`, repository]),
  )
  const [only, ...others] = all.values()
  return unnamed.map(({ entry, repository = others.length === 0 ? only : undefined }) => {
    if (repository === undefined)
      throw new Error(
        `the archive has an image without a name, ${entry.digest}: say --as UPSTREAM/REPOSITORY`,
      )
    return { entry, repository, tag: undefined }
  })
}

function parse(
  full: string,
  digest: Digest,
): { readonly repository: string; readonly tag: string | undefined } {
  const at = full.indexOf('@')
  if (at >= 0 && full.slice(at + 1) !== digest) throw new Error(`${full.slice(0, 300)} is not ${digest}`)
  const named = at < 0 ? full : full.slice(0, at)
  const colon = named.lastIndexOf(':')
  if (colon < 0 || named.includes('/', colon))
    return { repository: named, tag: at < 0 ? 'latest' : undefined }
  return { repository: named.slice(0, colon), tag: named.slice(colon + 1) }
}

/** The repository of exactly this name: what the default upstream would take for its own is refused. */
function repositoryOf(name: string, registry: Pick<Registry, 'find'>, shown: string): RepositoryName {
  const slash = name.indexOf('/')
  const [upstream, path] = slash < 0 ? ['', name] : [name.slice(0, slash), name.slice(slash + 1)]
  const said = shown.slice(0, 300)
  if (!isRepositoryName(path))
    throw new Error(`${said} is no image of a registry: UPSTREAM/REPOSITORY is expected`)
  const found = findAllowed(registry, { upstream, name: path }, said)
  if (found !== undefined) return found.name
  throw new Error(
    `${said}: ${upstream || 'its registry'} is no upstream: add it to upstreams (offline: true if it is never to be dialled), or say --as UPSTREAM/REPOSITORY`,
  )
}
