import { glob } from '../util/glob.ts'
import type { Digest } from './digest.ts'
import type { RepositoryName } from './reference.ts'
import { type NamedUpstream, type UpstreamNames, upstreamNames } from './upstream-names.ts'

/** An image in the store: under a tag, or by digest alone. */
export interface ImageName {
  readonly repository: RepositoryName
  readonly tag?: string | undefined
  readonly digest: Digest
}

/** A set of images. `text` is the canonical spelling of the pattern, `docker.io/library/node:20*`. */
export interface ImagePattern {
  readonly text: string
  /** Of `text`, the part before tag and digest. */
  readonly name: string
  /** The pattern has no tag and no digest: it means whole repositories. */
  readonly isWhole: boolean
  /** The only repository it matches, where it has no star in its name. */
  readonly repository: RepositoryName | undefined
  matchesRepository(repository: RepositoryName): boolean
  matches(image: ImageName): boolean
}

export const IMAGE_PATTERN_MUST =
  'must be an image pattern such as node, ghcr.io/org/**, docker.io/library/node:20* or *@sha256:…'

/**
 * Parses `name[:tag][@digest]`, each part a pattern of `util/glob.ts`: `*` stops at a slash, `**` does not. A
 * pattern without tag and digest matches every image of the name; one with a tag matches only tagged images.
 *
 * A name is completed as Docker does: `node` is `docker.io/library/node` and `org/app` is
 * `docker.io/org/app`, unless the first segment is a registry: it has a dot or a port, is `localhost`, is one
 * of `upstreams`, or begins with `*`. An alias of an upstream stands for its name. `*` alone is every name, as `**`
 * is: no image has a name of one segment.
 *
 * @returns undefined when the text is no pattern.
 */
export function parseImagePattern(
  text: string,
  upstreams: UpstreamNames = new Map(),
): ImagePattern | undefined {
  const match = PATTERN.exec(text)
  if (match === null || text.length > 512) return undefined
  const { name, tag, digest } = match.groups as { name: string; tag?: string; digest?: string }
  return patternOf(fullName(name, upstreams), tag, digest)
}

export const REPOSITORY_PATTERN_MUST =
  'must be a pattern of repositories such as node, docker.io/library/*, ghcr.io/org/** or **, in lower case, ' +
  'without a tag and a digest: who may pull a repository may pull all of it'

/** As `parseImagePattern`, for what holds for whole repositories. Their names are in lower case. */
export function parseRepositoryPattern(text: string, upstreams?: UpstreamNames): ImagePattern | undefined {
  const pattern = parseImagePattern(text, upstreams)
  return pattern?.isWhole === true && text === text.toLowerCase() ? pattern : undefined
}

/**
 * Completes a pattern of the repositories of one upstream, as in `upstream/pattern`: in docker.io, `node` is
 * `library/node`. The name of the upstream, or an alias, may be there already.
 */
export function patternWithin(upstream: NamedUpstream, text: string): string {
  const names = upstreamNames([upstream])
  const start = `${upstream.name}/`
  return fullName(isNamed(text, names) ? text : start + text, names).slice(start.length)
}

/** The inverse, a text that gives `pattern`: what begins as a name of the upstream does has that name twice. */
export function writtenWithin(upstream: NamedUpstream, pattern: string): string {
  return isNamed(pattern, upstreamNames([upstream])) ? `${pattern.split('/', 1)[0]}/${pattern}` : pattern
}

function isNamed(text: string, names: UpstreamNames): boolean {
  return text.includes('/') && names.has(text.split('/', 1)[0]!)
}

/** The pattern that has this canonical `text`. @throws Error when it is no pattern. */
export function imagePattern(text: string): ImagePattern {
  const groups = PATTERN.exec(text)?.groups
  if (groups === undefined) throw new Error(`${JSON.stringify(text)} is not an image pattern`)
  return patternOf(groups['name']!, groups['tag'], groups['digest'])
}

/**
 * `docker.io/library/alpine:latest`, or the digest when there is no tag. As a pattern, it matches only this
 * image.
 */
export function imageText({ repository: { upstream, name }, tag, digest }: ImageName): string {
  return `${upstream}/${name}${tag === undefined ? `@${digest}` : `:${tag}`}`
}

// The last colon after the last slash begins the tag: an earlier one belongs to a port.
const PATTERN =
  /^(?<name>(?:[\w.:*[\]-]+\/)*[\w.*-]+)(?::(?<tag>[\w.*-]+))?(?:@(?<digest>[a-z0-9*]+(?::[a-f0-9*]+)?))?$/i

const DOCKER_HUB = 'docker.io'

function patternOf(name: string, tag?: string, digest?: string): ImagePattern {
  const [isName, isTag, isDigest] = [glob(name), globOrAny(tag), globOrAny(digest)]
  const matchesRepository = ({ upstream, name }: RepositoryName): boolean => isName(`${upstream}/${name}`)
  return {
    text: `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`,
    name,
    isWhole: tag === undefined && digest === undefined,
    repository: name.includes('*') ? undefined : repositoryOf(name),
    matchesRepository,
    matches: ({ repository, tag: actual, digest }) =>
      matchesRepository(repository) &&
      (tag === undefined || (actual !== undefined && isTag(actual))) &&
      isDigest(digest),
  }
}

function repositoryOf(name: string): RepositoryName {
  const slash = name.indexOf('/')
  return { upstream: name.slice(0, slash), name: name.slice(slash + 1) }
}

function fullName(name: string, upstreams: UpstreamNames): string {
  if (name === '*') return '**'
  if (name.startsWith('**')) return name
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(slash, 0))
  const isRegistry = /[.:]|^\*/.test(first) || first === 'localhost' || upstreams.has(first)
  const upstream = isRegistry ? (upstreams.get(first) ?? first) : DOCKER_HUB
  const rest = isRegistry ? name.slice(slash + 1) : name
  const isOfficial = upstream === DOCKER_HUB && !rest.includes('/') && !rest.startsWith('**')
  return `${upstream}/${isOfficial ? 'library/' : ''}${rest}`
}

function globOrAny(pattern: string | undefined): (text: string) => boolean {
  return pattern === undefined ? () => true : glob(pattern)
}
