import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { OCI_INDEX } from '../../oci/media-types.ts'
import type { Repository } from '../../ports/repository.ts'
import type { Exchange } from '../exchange.ts'
import { send } from '../send.ts'

/**
 * GET and HEAD of the referrers of a digest, end-12 of the distribution spec. An upstream without this API is
 * a 404: clients then try the tag schema, through this proxy too.
 */
export async function answerReferrers(
  exchange: Exchange,
  { referrers }: Repository,
  digest: Digest,
): Promise<void> {
  const artifactType = exchange.query.get('artifactType') || undefined
  const answer = await referrers.list(digest, artifactType, exchange.readOptions())
  if (answer === undefined) throw new RegistryError('MANIFEST_UNKNOWN')
  const filters = answer.filtered ? { 'OCI-Filters-Applied': 'artifactType' } : {}
  send(exchange, 200, { 'Content-Type': OCI_INDEX, ...filters }, answer.body)
}
