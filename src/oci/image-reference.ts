import { type Digest, isDigest } from './digest.ts'
import { isRepositoryName, isTag } from './reference.ts'

/** An image as people write it: `node:20`, `ghcr.io/org/app@sha256:…`. */
export interface ImageReference {
  /** As written, a registry in front included. */
  readonly name: string
  /** Which image of it: a digest, else a tag, else `latest`. */
  readonly reference: { readonly tag: string } | { readonly digest: Digest }
}

/** @returns undefined when the text is no image */
export function parseImageReference(text: string): ImageReference | undefined {
  const [, name = '', tag, digest] = IMAGE.exec(text) ?? []
  const [first = '', ...rest] = name.split('/')
  // A registry may have a port, which a repository name may not.
  const path = rest.length > 0 && /[.:]/.test(first) ? rest.join('/') : name
  if (!isRepositoryName(path) || text.length > 512) return undefined
  if (digest !== undefined) return isDigest(digest) ? { name, reference: { digest } } : undefined
  if (tag !== undefined) return isTag(tag) ? { name, reference: { tag } } : undefined
  return { name, reference: { tag: 'latest' } }
}

const IMAGE = /^((?:[\w.-]+(?::\d+)?\/)?[a-z\d._/-]+)(?::([\w.-]+))?(?:@(\w+:[a-f\d]+))?$/
