import type { Digest } from '../../../oci/digest.ts'
import type { RepositoryName } from '../../../oci/reference.ts'
import type { Image } from '../../../ports/operations.ts'
import { eachRow, type Steps } from '../../index/in-slices.ts'
import type { Statements } from '../../index/sql.ts'

/** An image as the index has it, without sizes and pins. */
export type ImageRow = Pick<Image, 'repository' | 'tag' | 'digest' | 'storedAt' | 'lastUsed' | 'hits'>

interface TaggedRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly storedAt: number | null
  readonly lastUsed: number
  readonly hits: number
}

interface ManifestLink extends Omit<TaggedRow, 'tag'> {
  readonly storedAt: number
  readonly isTagged: 0 | 1
  readonly isPart: 0 | 1
}

/** Calls `each` for every image: first those with a tag, then those without. */
export function* eachImage(sql: Statements, each: (image: ImageRow) => void): Steps<void> {
  yield* eachRow<TaggedRow>(
    (last) => sql.taggedImages.all(...(last ? [last.upstream, last.repository, last.tag] : ['', '', ''])),
    ({ upstream, repository, storedAt, ...row }) =>
      each({ ...row, repository: { upstream, name: repository }, storedAt: storedAt ?? undefined }),
  )
  yield* eachRow<ManifestLink>(
    (last) => sql.manifestLinks.all(...(last ? [last.digest, last.upstream, last.repository] : ['', '', ''])),
    ({ upstream, repository, isTagged, isPart, ...row }) => {
      if (!isTagged && !isPart) each({ ...row, repository: { upstream, name: repository } })
    },
  )
}

/** Calls `each` for every image of one repository. */
export function* eachImageIn(
  sql: Statements,
  repository: RepositoryName,
  each: (image: ImageRow) => void,
): Steps<void> {
  const { upstream, name } = repository
  yield* eachRow<Omit<TaggedRow, 'upstream' | 'repository'>>(
    (last) => sql.taggedImagesIn.all(upstream, name, last?.tag ?? ''),
    ({ storedAt, ...row }) => each({ ...row, repository, storedAt: storedAt ?? undefined }),
  )
  yield* eachRow<Omit<ManifestLink, 'upstream' | 'repository'>>(
    (last) => sql.manifestLinksIn.all(upstream, name, last?.digest ?? ''),
    ({ isTagged, isPart, ...row }) => {
      if (!isTagged && !isPart) each({ ...row, repository })
    },
  )
}
