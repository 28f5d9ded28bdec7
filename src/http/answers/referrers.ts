import type { Digest } from '../../oci/digest.ts'
import { OCI_INDEX } from '../../oci/media-types.ts'
import type { Repository } from '../../ports/repository.ts'
import type { Exchange } from '../exchange.ts'
import { send } from '../send.ts'

/**
 * GET and HEAD of the referrers of a digest, end-12 of the distribution spec. Filtered here, whatever
 * upstream can do, and 200 whenever upstream answers: clients that are told 404 look for the fallback tag,
 * which was looked for already.
 */
export async function answerReferrers(
  exchange: Exchange,
  { referrers }: Repository,
  digest: Digest,
): Promise<void> {
  const artifactType = exchange.query.get('artifactType') || undefined
  const list = await referrers.list(digest, exchange.readOptions())
  const filters = artifactType === undefined ? [] : ['OCI-Filters-Applied', 'artifactType']
  await send(exchange, 200, ['Content-Type', OCI_INDEX, ...filters], list.index(artifactType))
}
