import type { RepositoryName } from '../oci/reference.ts'

/** What an endpoint answers for: a tag, or the list of tags of a repository, which all of its tags belong to. */
export type OwnedThing = 'tags' | `tag ${string}`

/**
 * Which of several endpoints of an upstream has answered for something: the others would say something else
 * under the same name. Bounded in number, and forgotten when it was not asked for long.
 */
export interface EndpointOwners {
  /** The url of the endpoint. undefined also when it cannot be read. */
  get(repository: RepositoryName, thing: OwnedThing): Promise<string | undefined>
  /**
   * Outlives the process. What cannot be written is known to nobody. `replaced`: the url of what owned it, and is
   * no endpoint any more; undefined where nothing is known to.
   */
  set(repository: RepositoryName, thing: OwnedThing, url: string, replaced?: string): Promise<void>
}

/** The endpoint that a tag belongs to: the one that has answered for it, else the one that has listed it. */
export async function ownerOfTag(
  owners: Pick<EndpointOwners, 'get'>,
  repository: RepositoryName,
  tag: string,
): Promise<{ readonly url: string; readonly of: 'tag' | 'list' } | undefined> {
  const url = await owners.get(repository, `tag ${tag}`)
  if (url !== undefined) return { url, of: 'tag' }
  const listed = await owners.get(repository, 'tags')
  return listed === undefined ? undefined : { url: listed, of: 'list' }
}
