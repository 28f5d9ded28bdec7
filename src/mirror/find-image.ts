import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { parseImageReference } from '../oci/image-reference.ts'
import type { Registry, Repository } from '../ports/repository.ts'

export interface FoundImage {
  /** In full: `docker.io/library/node:20`. */
  readonly image: string
  readonly repository: Repository
  readonly reference: { readonly tag: string } | { readonly digest: Digest }
}

/** The repository of an image that a person names. @returns why there is none */
export function findImage(
  registry: Pick<Registry, 'find'>,
  text: string,
): FoundImage | { readonly why: string } {
  const parsed = parseImageReference(text)
  if (parsed === undefined) return { why: 'is no image: write it as node:20 or ghcr.io/org/app@sha256:…' }
  const { name, reference } = parsed
  try {
    const repository = registry.find({ name })
    if (repository === undefined) return { why: `no upstream is configured for ${name.split('/', 1)[0]}` }
    const suffix = 'tag' in reference ? `:${reference.tag}` : `@${reference.digest}`
    return { image: `${repository.name.upstream}/${repository.name.name}${suffix}`, repository, reference }
  } catch (error) {
    if (!isRegistryError(error, 'DENIED')) throw error
    const { upstream, rule } = error.detail
    return { why: `the configuration forbids it (upstreams.${upstream}.${rule})` }
  }
}
