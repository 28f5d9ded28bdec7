import type { Digest } from '../../oci/digest.ts'
import { imagePattern, type ImagePattern } from '../../oci/image-pattern.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Image } from '../../ports/operations.ts'
import { allOf, eachRow, type Steps } from '../index/in-slices.ts'
import type { Statements } from '../index/sql.ts'
import { closureOf } from './content-walk.ts'
import { findImages } from './images/find-images.ts'
import type { ImageRow } from './images/image-rows.ts'
import type { PurgeTask } from './reader-tasks.ts'

/** One step of a purge. Steps of a kind come together, in this order. */
export type PurgeStep =
  | { readonly image: Image }
  | { readonly pinned: Image }
  /** A link that is to be removed. */
  | { readonly repository: RepositoryName; readonly digest: Digest }
  /** Content that is to be removed. */
  | { readonly content: Digest; readonly size: number }

/** The links of a repository that are to be removed. */
interface Unlinking {
  readonly repository: RepositoryName
  readonly digests: ReadonlySet<Digest>
}

interface Plan {
  readonly unlinkings: readonly Unlinking[]
  /** The content to remove, with its sizes. */
  readonly content: ReadonlyMap<Digest, number>
}

/**
 * What a purge has to do, found before the first step is returned. A dry run gets no links. Neighbours in the
 * index follow each other: a page that many rows are removed from is written once.
 */
export function* purgeSteps(sql: Statements, task: PurgeTask): Generator<PurgeStep, void> {
  const { all, matching } = allOf(findImages(sql, task))
  const images = matching.filter(({ isPinned }) => !isPinned)
  const doomed = new Set(images.map(keyOf))
  const staying = all.filter((image) => !doomed.has(keyOf(image)))
  const { unlinkings, content } = allOf(plan(sql, imagePattern(task.pattern), images, staying))

  for (const image of images) yield { image }
  for (const image of matching) if (image.isPinned) yield { pinned: image }
  if (!task.dryRun)
    for (const { repository, digests } of unlinkings)
      for (const digest of [...digests].toSorted()) yield { repository, digest }
  for (const digest of [...content.keys()].toSorted()) yield { content: digest, size: content.get(digest)! }
}

function* plan(
  sql: Statements,
  pattern: ImagePattern,
  images: readonly ImageRow[],
  staying: readonly ImageRow[],
): Steps<Plan> {
  const unlinkings = yield* planUnlinking(sql, pattern, images, staying)
  const candidates = yield* closureOf(sql, digestsOf(images))
  for (const { digests } of unlinkings) for (const digest of digests) candidates.add(digest)
  yield
  const used = yield* closureOf(sql, yield* usedRoots(sql, candidates, staying))
  const content = yield* sizesOf(sql, candidates.difference(used), unlinkings)
  return { unlinkings, content }
}

function* planUnlinking(
  sql: Statements,
  pattern: ImagePattern,
  images: readonly ImageRow[],
  staying: readonly ImageRow[],
): Steps<readonly Unlinking[]> {
  const stayingBy = Map.groupBy(staying, ({ repository }) => repositoryKey(repository))
  const doomedBy = Map.groupBy(images, ({ repository }) => repositoryKey(repository))
  const repositories = new Map(images.map(({ repository }) => [repositoryKey(repository), repository]))
  if (pattern.isWhole) {
    for (let last = { upstream: '', name: '' }; ;) {
      const row = sql.nextRepository.get(last.upstream, last.name)
      if (row === undefined) break
      last = repositoryOf(row)
      if (pattern.matchesRepository(last)) repositories.set(repositoryKey(last), last)
      yield
    }
  }
  const plan: Unlinking[] = []
  for (const [key, repository] of repositories) {
    const [others, own] = [stayingBy.get(key), doomedBy.get(key) ?? []]
    const digests =
      others === undefined
        ? yield* linksIn(sql, repository)
        : (yield* closureOf(sql, digestsOf(own))).difference(yield* closureOf(sql, digestsOf(others)))
    plan.push({ repository, digests })
    yield
  }
  return plan
}

/** The remaining images, and the candidates that another manifest refers to which is no candidate. */
function* usedRoots(
  sql: Statements,
  candidates: ReadonlySet<Digest>,
  staying: readonly ImageRow[],
): Steps<Set<Digest>> {
  const roots = digestsOf(staying)
  for (let last = ''; ;) {
    const row = sql.nextParent.get(last)
    if (row === undefined) return roots
    last = String(row['parent'])
    if (!candidates.has(last as Digest)) roots.add(last as Digest)
    yield
  }
}

/** Of those whose every link is about to be removed. */
function* sizesOf(
  sql: Statements,
  digests: Iterable<Digest>,
  unlinkings: readonly Unlinking[],
): Steps<ReadonlyMap<Digest, number>> {
  const unlinked = new Map(unlinkings.map(({ repository, digests }) => [repositoryKey(repository), digests]))
  const sizes = new Map<Digest, number>()
  for (const digest of digests) {
    let isLinked = false
    yield* eachRow<Record<string, unknown>>(
      (last) =>
        isLinked
          ? []
          : sql.linksOf.all(digest, String(last?.['upstream'] ?? ''), String(last?.['repository'] ?? '')),
      (row) => {
        isLinked ||= unlinked.get(repositoryKey(repositoryOf(row)))?.has(digest) !== true
      },
    )
    const size = isLinked ? undefined : sql.findContent.get(digest)?.['size']
    if (size !== undefined) sizes.set(digest, Number(size))
    yield
  }
  return sizes
}

function* linksIn(sql: Statements, { upstream, name }: RepositoryName): Steps<ReadonlySet<Digest>> {
  const digests = new Set<Digest>()
  yield* eachRow<{ readonly digest: Digest }>(
    (last) => sql.linksIn.all(upstream, name, last?.digest ?? ''),
    ({ digest }) => digests.add(digest),
  )
  return digests
}

function digestsOf(images: readonly ImageRow[]): Set<Digest> {
  return new Set(images.map(({ digest }) => digest))
}

function repositoryOf({ upstream, repository }: Record<string, unknown>): RepositoryName {
  return { upstream: String(upstream), name: String(repository) }
}

function keyOf({ repository, tag = '', digest }: ImageRow): string {
  return `${repositoryKey(repository)} ${tag} ${digest}`
}

function repositoryKey({ upstream, name }: RepositoryName): string {
  return `${upstream} ${name}`
}
