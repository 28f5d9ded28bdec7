import { type EndpointOwners, ownerOfTag } from '../../ports/endpoint-owners.ts'
import type { RouteReport } from '../../ports/insight/why.ts'
import { endpointName } from '../../util/endpoint-name.ts'
import type { Answers } from '../answers.ts'
import type { Facts } from './facts.ts'

/** One repository at an upstream with several endpoints. */
export interface AtEndpoints {
  readonly upstream: string
  /** The names by which they are asked for it. */
  readonly names: readonly string[]
  /** Where they are. */
  readonly urls: readonly string[]
}

const MOST = 12

/** The last answers of all of them, the newest first. */
export function answersOf(
  answers: Pick<Answers, 'of'>,
  { upstream, names, urls }: AtEndpoints,
): Facts['byEndpoint'] {
  return urls
    .flatMap((url) =>
      names
        .flatMap((name) => answers.of(endpointName(upstream, url), name))
        .map((answer) => Object.assign({ endpoint: url }, answer)),
    )
    .toSorted((a, b) => b.at - a.at)
    .slice(0, MOST)
}

/** The one that alone is asked for a tag. */
export async function ownerAmong(
  owners: Pick<EndpointOwners, 'get'>,
  { upstream, names, urls }: AtEndpoints,
  tag: string,
): Promise<RouteReport['owner']> {
  if (urls.length === 0) return null
  for (const name of names) {
    const owner = await ownerOfTag(owners, { upstream, name }, tag)
    if (owner !== undefined && urls.includes(owner.url)) return owner
  }
  return null
}
