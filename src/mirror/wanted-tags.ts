import { imagePattern, type ImagePattern } from '../oci/image-pattern.ts'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { isTag, type RepositoryName } from '../oci/reference.ts'
import { TagList } from '../oci/tag-list.ts'
import type { Explain } from '../images/missing-why.ts'
import type { TagPeek } from '../ports/metadata.ts'
import type { ImageCatalogue } from '../ports/operations.ts'
import type { PageRequest, Registry, Repository } from '../ports/repository.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import { selectTags, type TagSelection } from './select-tags.ts'

export interface WantedTagsOptions {
  readonly registry: Pick<Registry, 'find'>
  readonly catalogue: Pick<ImageCatalogue, 'images'>
  readonly tags: TagPeek
  readonly isLimited: (upstream: string) => boolean
  readonly explain: Explain
}

export interface WantedTags {
  /** `docker.io/library/node:20`, those first that were never fetched, then the longest unchecked. */
  readonly images: readonly string[]
  /** Repositories whose tags could not be listed. */
  readonly problems: readonly { readonly image: string; readonly why: string }[]
  /** The list of a repository was left to the next run, for a rate limit is nearly used up. */
  readonly isLater: boolean
}

/** Tags of one repository that are looked at. */
const MOST_TAGS = 1_000_000

/** Finds the tags that a rule means. A tag that is named in full needs no list. */
export function createWantedTags(options: WantedTagsOptions) {
  const { registry, catalogue, tags, isLimited, explain } = options

  return async function wantedTags(
    patterns: readonly ImagePattern[],
    selection: TagSelection,
    signal: AbortSignal,
  ): Promise<WantedTags> {
    const wanted = new Map<string, number>()
    const problems: WantedTags['problems'][number][] = []
    let isLater = false
    for (const pattern of patterns) {
      for (const name of await repositoriesOf(pattern)) {
        signal.throwIfAborted()
        const image = `${name.upstream}/${name.name}`
        try {
          const repository = registry.find({ namespace: name.upstream, name: name.name })
          if (repository === undefined) {
            problems.push({ image, why: `${name.upstream} is no upstream` })
            continue
          }
          const exact = exactTag(pattern)
          if (exact === undefined && isLimited(name.upstream)) {
            isLater = true
            problems.push({ image, why: `the rate limit of ${name.upstream} is nearly used up` })
            continue
          }
          const found = exact === undefined ? await listed(repository, pattern, signal) : [exact]
          if (found === undefined) {
            problems.push({ image, why: `${name.upstream} says that it does not exist` })
            continue
          }
          for (const tag of await selectTags(found, selection)) {
            const entry = await tags.peek(repository.name, tag)
            wanted.set(`${repository.name.upstream}/${repository.name.name}:${tag}`, entry?.checkedAt ?? 0)
          }
        } catch (error) {
          if (!isRegistryError(error)) throw error
          problems.push({ image, why: `${name.upstream} ${explain(name.upstream, error)}` })
        }
      }
    }
    const images = [...wanted].toSorted(([, one], [, other]) => one - other).map(([image]) => image)
    return { images, problems, isLater }
  }

  /** One that is named, or those that something is stored of. */
  async function repositoriesOf(pattern: ImagePattern): Promise<readonly RepositoryName[]> {
    if (pattern.repository !== undefined) return [pattern.repository]
    const [name = ''] = pattern.text.split(/(?<=\/[^/]*):|@/)
    const images = await catalogue.images(imagePattern(name))
    return [...new Map(images.map(({ repository: one }) => [`${one.upstream}/${one.name}`, one])).values()]
  }
}

/** `20` of `docker.io/library/node:20`; undefined for a pattern of tags. */
function exactTag(pattern: ImagePattern): string | undefined {
  if (pattern.repository === undefined) return undefined
  const { upstream, name } = pattern.repository
  const tag = pattern.text.slice(upstream.length + name.length + 2)
  return isTag(tag) ? tag : undefined
}

/** The tags that the pattern means; undefined when there is no such repository. */
async function listed(
  { name, tags }: Repository,
  pattern: ImagePattern,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const found: string[] = []
  const pause = yieldEvery()
  for (let page: PageRequest | undefined = {}; page !== undefined && found.length < MOST_TAGS;) {
    const answer = await tags.list(page, { signal, client: 'mirror' })
    if (answer === undefined) return found.length === 0 ? undefined : found
    for (const tag of new TagList(answer.tags).tags) found.push(tag)
    page = answer.next
    await pause()
  }
  // Stands for whichever digest a tag has.
  const digest = '' as Digest
  return pattern.isWhole ? found : found.filter((tag) => pattern.matches({ repository: name, tag, digest }))
}
