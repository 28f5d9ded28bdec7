import type { Digest } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { LinkIndex } from '../../ports/metadata.ts'
import { whenKnown } from '../../util/async/maybe.ts'
import type { Outbox } from './outbox.ts'
import type { LinkFacts, SharedLinks } from './shared-links.ts'

/**
 * The links of this replica, and behind them those of all. What is learnt from the others is kept here, and
 * answers while the database is away. What could not be told to them waits in the outbox.
 */
export function replicatedLinks(local: LinkIndex, shared: SharedLinks, outbox: Outbox): LinkIndex {
  /** Of any repository of the upstream: asked about right after `has`, of the repository. */
  const lastAsked = new Map<Digest, RepositoryName>()

  return {
    has: (repository, digest) =>
      whenKnown(local.has(repository, digest), (isLinked) => isLinked || hasElsewhere(repository, digest)),
    async knows(upstream, digest) {
      if (await local.knows(upstream, digest)) return true
      return (await facts({ upstream, name: nameAsked(upstream, digest) }, digest))?.isKnown ?? false
    },
    async isLinked(digest) {
      if (await local.isLinked(digest)) return true
      const asked = lastAsked.get(digest) ?? { upstream: '', name: '' }
      // Nothing is concluded from a database that is away.
      return (await facts(asked, digest))?.isLinkedAtAll ?? true
    },
    async add(repository, digest, mediaType) {
      await local.add(repository, digest, mediaType)
      await outbox.send({ kind: 'link', repository, digest, ...(mediaType !== undefined && { mediaType }) })
    },
    mediaType: (repository, digest) =>
      whenKnown(local.mediaType(repository, digest), async (type) => {
        if (type !== undefined) return type
        const found = (await facts(repository, digest))?.mediaType
        if (found !== undefined) await local.add(repository, digest, found)
        return found
      }),
  }

  function nameAsked(upstream: string, digest: Digest): string {
    const asked = lastAsked.get(digest)
    return asked?.upstream === upstream ? asked.name : ''
  }

  async function hasElsewhere(repository: RepositoryName, digest: Digest): Promise<boolean> {
    lastAsked.delete(digest)
    lastAsked.set(digest, repository)
    if (lastAsked.size > 1_000) lastAsked.delete(lastAsked.keys().next().value!)
    const found = await facts(repository, digest)
    if (found?.isLinked !== true) return false
    await local.add(repository, digest, found.mediaType)
    return true
  }

  /** undefined while the database is away. */
  async function facts(repository: RepositoryName, digest: Digest): Promise<LinkFacts | undefined> {
    try {
      return await shared.facts(repository, digest)
    } catch (error) {
      if (isRegistryError(error, 'STORAGE')) return undefined
      throw error
    }
  }
}
