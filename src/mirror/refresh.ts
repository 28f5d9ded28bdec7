import { isRegistryError, type RegistryError } from '../oci/errors.ts'
import type { TagPeek } from '../ports/metadata.ts'
import type { Registry } from '../ports/repository.ts'
import type { Refresh } from '../ports/moving/warm.ts'
import { findImage } from './find-image.ts'

export interface RefreshOptions {
  readonly registry: Pick<Registry, 'find'>
  readonly tags: TagPeek
  readonly isOffline: (upstream: string) => boolean
  /** Why upstream failed: a clause that follows its name. */
  readonly explain: (upstream: string, error: RegistryError) => string
}

/** Asks upstream for a tag now, and stores the manifest that it points to. */
export function createRefresh({ registry, tags, isOffline, explain }: RefreshOptions): Refresh {
  return async (text, signal) => {
    const found = findImage(registry, text)
    if ('why' in found) throw new Error(`${text}: ${found.why}`)
    const { image, repository, reference } = found
    if ('digest' in reference) throw new Error(`${image}: a digest never changes, name a tag`)
    if (isOffline(repository.name.upstream))
      throw new Error(`${image}: ${repository.name.upstream} is offline`)
    const before = await tags.peek(repository.name, reference.tag)
    try {
      const served = await repository.tags.resolve(reference.tag, {
        noCache: true,
        ...(signal && { signal }),
      })
      const now = await tags.peek(repository.name, reference.tag)
      const isGone = served === undefined || now?.goneAt !== undefined
      const to = isGone ? undefined : (now?.digest ?? served)
      return { image, from: before?.digest ?? null, to: to ?? null, served: served ?? null }
    } catch (error) {
      if (!isRegistryError(error)) throw error
      const { upstream } = repository.name
      throw new Error(`${image}: ${upstream} ${explain(upstream, error)}`, { cause: error })
    }
  }
}
