import type { CacheStatus } from '../ports/read-options.ts'
import type { Manifest } from '../oci/descriptor.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Reference } from '../oci/reference.ts'
import type { Repository } from '../ports/repository.ts'
import { etagOf, isNotModified } from './headers/conditional.ts'
import type { Exchange } from './exchange.ts'
import { send, sendHead } from './send.ts'

/** GET and HEAD of a manifest, end-3 of the distribution spec. A `Range` is ignored: containerd 2.1.0 sends `bytes=0-` here too. */
export function answerManifest(
  exchange: Exchange,
  repository: Repository,
  reference: Reference,
): Promise<void> | undefined {
  const manifest = recall(exchange, repository, reference)
  if (manifest === undefined) return askFor(exchange, repository, reference)
  sendManifest(exchange, manifest)
  return undefined
}

function recall(
  exchange: Exchange,
  { tags, manifests }: Repository,
  reference: Reference,
): Manifest | undefined {
  const report = (status: CacheStatus) => void (exchange.cacheStatus = status)
  if ('digest' in reference) return manifests.recall?.(reference.digest, report)
  const digest = tags.recall?.(reference.tag, report)
  return digest && manifests.recall?.(digest, () => {})
}

async function askFor(
  exchange: Exchange,
  { tags, manifests }: Repository,
  reference: Reference,
): Promise<void> {
  const digest = 'tag' in reference ? await tags.resolve(reference.tag, exchange.asking()) : reference.digest
  const ofTag = 'tag' in reference ? exchange.cacheStatus : undefined
  const manifest =
    digest &&
    (await manifests.get(
      digest,
      exchange.asking((status) => (exchange.cacheStatus = combined(ofTag, status))),
    ))
  if (manifest === undefined) throw new RegistryError('MANIFEST_UNKNOWN')
  sendManifest(exchange, manifest)
}

function sendManifest(exchange: Exchange, { descriptor, body }: Manifest): void {
  const { digest, mediaType } = descriptor
  const validators = { 'Docker-Content-Digest': digest, ETag: etagOf(digest) }
  if (isNotModified(exchange.incoming.headers['if-none-match'], digest)) {
    sendHead(exchange, 304, validators)
    exchange.outgoing.end()
  } else {
    send(exchange, 200, { 'Content-Type': mediaType, ...validators }, body)
  }
}

/** A manifest that is here anyway says nothing: how the tag was resolved is what the client wants to know. */
function combined(ofTag: CacheStatus | undefined, ofManifest: CacheStatus): CacheStatus {
  return ofTag === undefined || ofManifest.result !== 'hit' ? ofManifest : ofTag
}
