import type { Digest } from './digest.ts'
import type { RepositoryName } from './reference.ts'

/** An image as it is known here: under a tag, or by its digest alone. */
export interface ImageName {
  readonly repository: RepositoryName
  readonly tag?: string | undefined
  readonly digest: Digest
}

/** Which images are meant. `text` is the one spelling of all that mean the same, `docker.io/library/node:20*`. */
export interface ImagePattern {
  readonly text: string
  /** It says nothing about tags or digests: all of a repository is meant. */
  readonly isWhole: boolean
  matchesRepository(repository: RepositoryName): boolean
  matches(image: ImageName): boolean
}

export const IMAGE_PATTERN_MUST =
  'must be an image pattern such as node, ghcr.io/org/*, docker.io/library/node:20* or *@sha256:…'

/**
 * Parses what people write: `name[:tag][@digest]`. `*` stands for any characters or none, slashes too, within its part; nothing
 * else is special. Without tag and digest every image of the name is meant, with a tag only tagged ones.
 *
 * A name is completed as Docker does: `node` is `docker.io/library/node` and `org/app` is `docker.io/org/app`, unless the first
 * segment is a registry, which has a dot or a port, is `localhost`, or is one of `upstreams`. A name that begins with `*` is
 * taken as it is.
 *
 * @returns undefined when it is none.
 */
export function parseImagePattern(text: string, upstreams: readonly string[] = []): ImagePattern | undefined {
  const match = PATTERN.exec(text)
  if (match === null || text.length > 512) return undefined
  const { name, tag, digest } = match.groups as { name: string; tag?: string; digest?: string }
  return patternOf(fullName(name, upstreams), tag, digest)
}

/** The pattern whose `text` this is. @throws Error when it is that of none. */
export function imagePattern(text: string): ImagePattern {
  const groups = PATTERN.exec(text)?.groups
  if (groups === undefined) throw new Error(`${JSON.stringify(text)} is no image pattern`)
  return patternOf(groups['name']!, groups['tag'], groups['digest'])
}

/** `docker.io/library/alpine:latest`, or with the digest when there is no tag. As a pattern it means this image alone. */
export function imageText({ repository: { upstream, name }, tag, digest }: ImageName): string {
  return `${upstream}/${name}${tag === undefined ? `@${digest}` : `:${tag}`}`
}

// The last colon behind the last slash parts the tag: one before it belongs to a port.
const PATTERN =
  /^(?<name>(?:[\w.:*[\]-]+\/)*[\w.*-]+)(?::(?<tag>[\w.*-]+))?(?:@(?<digest>[a-z0-9*]+(?::[a-f0-9*]+)?))?$/i

const DOCKER_HUB = 'docker.io'

function patternOf(name: string, tag?: string, digest?: string): ImagePattern {
  const [isName, isTag, isDigest] = [glob(name), glob(tag), glob(digest)]
  const matchesRepository = ({ upstream, name }: RepositoryName): boolean => isName(`${upstream}/${name}`)
  return {
    text: `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`,
    isWhole: tag === undefined && digest === undefined,
    matchesRepository,
    matches: ({ repository, tag: actual, digest }) =>
      matchesRepository(repository) &&
      (tag === undefined || (actual !== undefined && isTag(actual))) &&
      isDigest(digest),
  }
}

function fullName(name: string, upstreams: readonly string[]): string {
  if (name.startsWith('*')) return name
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(slash, 0))
  const isRegistry = /[.:]/.test(first) || first === 'localhost' || upstreams.includes(first)
  const upstream = isRegistry ? first : DOCKER_HUB
  const rest = isRegistry ? name.slice(slash + 1) : name
  const isOfficial = upstream === DOCKER_HUB && !rest.includes('/') && !rest.startsWith('*')
  return `${upstream}/${isOfficial ? 'library/' : ''}${rest}`
}

/** In time linear in the text for each star, unlike a regular expression, which a pattern of many stars keeps busy for ever. */
function glob(pattern: string | undefined): (text: string) => boolean {
  if (pattern === undefined) return () => true
  const [head = '', ...others] = pattern.split('*')
  const tail = others.pop()
  if (tail === undefined) return (text) => text === head
  return (text) => {
    if (!text.startsWith(head)) return false
    let position = head.length
    for (const piece of others) {
      const found = text.indexOf(piece, position)
      if (found < 0) return false
      position = found + piece.length
    }
    return text.length - tail.length >= position && text.endsWith(tail)
  }
}
