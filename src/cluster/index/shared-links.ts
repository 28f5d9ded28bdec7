import { LRUCache } from 'lru-cache'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { singleFlight } from '../../util/async/single-flight.ts'
import type { Statements } from '../database.ts'

/** What is known of a digest with respect to one repository. */
export interface LinkFacts {
  /** The repository is linked to it. */
  readonly isLinked: boolean
  readonly mediaType: string | undefined
  /** Some repository of the same upstream is. */
  readonly isKnown: boolean
  /** Some repository of any upstream is. */
  readonly isLinkedAtAll: boolean
}

/** The links of all replicas. Every method throws RegistryError STORAGE. */
export interface SharedLinks {
  facts(repository: RepositoryName, digest: Digest): Promise<LinkFacts>
  /** Which of these the repository is linked to. */
  linked(repository: RepositoryName, digests: readonly Digest[]): Promise<readonly Digest[]>
  add(repository: RepositoryName, digest: Digest, mediaType?: string): Promise<void>
  /** Removes all links of content that is not stored any more. */
  removeAll(digests: readonly Digest[]): Promise<void>
  /** Removes those of single repositories. */
  remove(links: readonly { readonly repository: RepositoryName; readonly digest: Digest }[]): Promise<void>
}

function keyOf({ upstream, name }: RepositoryName, digest: Digest): string {
  return `${upstream} ${name} ${digest}`
}

const FACTS = `SELECT
    EXISTS (SELECT FROM entrepot_links WHERE digest = $1 AND upstream = $2 AND repository = $3) AS linked,
    (SELECT media_type FROM entrepot_links WHERE digest = $1 AND upstream = $2 AND repository = $3) AS type,
    EXISTS (SELECT FROM entrepot_links WHERE digest = $1 AND upstream = $2) AS known,
    EXISTS (SELECT FROM entrepot_links WHERE digest = $1) AS somewhere`

/** The questions of one pull follow each other, and cost one statement. Milliseconds. */
const REMEMBERED = 50

/** Repositories of one upstream that may be linked to one digest (SEC-91). */
const LINKS = 1_000

export function sharedLinks({ query }: Pick<Statements, 'query'>): SharedLinks {
  const recent = new LRUCache<string, LinkFacts>({ max: 1_000, ttl: REMEMBERED })
  const asking = singleFlight<LinkFacts>()

  async function ask({ upstream, name }: RepositoryName, digest: Digest): Promise<LinkFacts> {
    const [row] = await query<{ linked: boolean; type: string | null; known: boolean; somewhere: boolean }>(
      FACTS,
      [digest, upstream, name],
    )
    return {
      isLinked: row!.linked,
      mediaType: row!.type ?? undefined,
      isKnown: row!.known,
      isLinkedAtAll: row!.somewhere,
    }
  }

  return {
    async facts(repository, digest) {
      const key = keyOf(repository, digest)
      const known = recent.get(key)
      if (known !== undefined) return known
      const { value } = await asking.run(key, () => ask(repository, digest))
      recent.set(key, value)
      return value
    },
    async linked({ upstream, name }, digests) {
      const rows = await query<{ digest: Digest }>(
        'SELECT digest FROM entrepot_links WHERE digest = ANY($1) AND upstream = $2 AND repository = $3',
        [digests, upstream, name],
      )
      return rows.map(({ digest }) => digest)
    },
    async add(repository, digest, mediaType) {
      const { upstream, name } = repository
      await query(
        `WITH added AS (
           INSERT INTO entrepot_links (digest, upstream, repository, media_type) VALUES ($1, $2, $3, $4)
           ON CONFLICT (digest, upstream, repository) DO UPDATE SET media_type = excluded.media_type
             WHERE entrepot_links.media_type IS NULL AND excluded.media_type IS NOT NULL RETURNING 1)
         DELETE FROM entrepot_links WHERE (digest, upstream, repository) IN (
           SELECT digest, upstream, repository FROM entrepot_links
           WHERE digest = $1 AND upstream = $2 AND repository <> $3 AND EXISTS (SELECT FROM added)
           OFFSET ${LINKS - 1} LIMIT 1)`,
        [digest, upstream, name, mediaType ?? null],
      )
      recent.delete(keyOf(repository, digest))
    },
    async removeAll(digests) {
      if (digests.length === 0) return
      await query('DELETE FROM entrepot_links WHERE digest = ANY($1)', [digests])
      recent.clear()
    },
    async remove(links) {
      if (links.length === 0) return
      await query(
        `DELETE FROM entrepot_links WHERE (digest, upstream, repository) IN
           (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))`,
        [
          links.map(({ digest }) => digest),
          links.map(({ repository }) => repository.upstream),
          links.map(({ repository }) => repository.name),
        ],
      )
      recent.clear()
    },
  }
}
