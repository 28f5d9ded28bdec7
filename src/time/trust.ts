import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { imageText } from '../oci/image-pattern.ts'
import { parseImageReference } from '../oci/image-reference.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Registry } from '../ports/repository.ts'
import type { Trust, TrustedDigests } from '../ports/time.ts'

export interface TrustOptions {
  readonly registry: Pick<Registry, 'find'>
  readonly trusted: TrustedDigests
  /** Called after every change. */
  readonly changed: () => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** The exceptions from cool-downs: digests that an operator trusts. */
export function createTrust({ registry, trusted, changed, now }: TrustOptions): Trust {
  return {
    list: () => trusted.list(),
    async add(text) {
      const image = imageOf(text)
      if (image === undefined) return undefined
      const result = await trusted.add({ ...image, addedAt: now() })
      changed()
      return { image: imageText(image), result }
    },
    async remove(text) {
      const image = imageOf(text)
      if (image === undefined || !(await trusted.remove(image.repository, image.digest))) return undefined
      changed()
      return { image: imageText(image) }
    },
  }

  function imageOf(text: string): { repository: RepositoryName; digest: Digest } | undefined {
    const parsed = parseImageReference(text)
    if (parsed === undefined || !('digest' in parsed.reference)) return undefined
    const repository = find(parsed.name)
    return repository && { repository, digest: parsed.reference.digest }
  }

  function find(name: string): RepositoryName | undefined {
    try {
      return registry.find({ name })?.name
    } catch (error) {
      if (isRegistryError(error, 'DENIED')) return undefined
      throw error
    }
  }
}
