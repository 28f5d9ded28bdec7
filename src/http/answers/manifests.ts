import type { Digest } from '../../oci/digest.ts'
import type { Descriptor, Manifest } from '../../oci/descriptor.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Advise } from '../../ports/advise.ts'
import type { CacheStatus } from '../../ports/read-options.ts'
import type { Repository } from '../../ports/repository.ts'
import { whenKnown } from '../../util/async/maybe.ts'
import { perObject } from '../../util/per-object.ts'
import { etagOf, isNotModified } from '../headers/conditional.ts'
import type { Exchange } from '../exchange.ts'
import { type HeaderList, KeptHeaders } from '../headers/head-template.ts'
import { sendContent, sendHead } from '../send.ts'

/**
 * GET and HEAD of a manifest, end-3 of the distribution spec. Ignores `Range`: containerd 2.1.0 sends
 * `bytes=0-` for manifests too. `advise` says what the person who pulls should know.
 */
export function answerManifest(advise: Advise | undefined) {
  const answerDigest = digestAnswers()
  return (exchange: Exchange, repository: Repository, reference: Reference): Promise<void> | undefined => {
    if ('digest' in reference) return answerDigest(exchange, repository, reference.digest)
    return whenKnown(repository.tags.resolve(reference.tag, exchange.readOptions()), (digest) => {
      if (advise !== undefined && !exchange.isHead) {
        const warning = advise(
          exchange.client,
          { repository: repository.name, tag: reference.tag },
          exchange.cacheStatus,
        )
        if (warning !== undefined) exchange.warning = warning
      }
      return answerDigest(exchange, repository, digest, { status: exchange.cacheStatus })
    })
  }
}

function digestAnswers() {
  const headersOf = perObject(
    ({ digest, mediaType, size }: Descriptor) =>
      new KeptHeaders(['Content-Type', mediaType, ...validatorsOf(digest), 'Content-Length', String(size)]),
  )

  function sendManifest(exchange: Exchange, { descriptor, body }: Manifest): Promise<void> | undefined {
    const { digest } = descriptor
    if (isNotModified(exchange.incoming.headers['if-none-match'], digest)) {
      sendHead(exchange, 304, validatorsOf(digest))
      exchange.outgoing.end()
      return undefined
    }
    return sendContent(exchange, headersOf(descriptor), body)
  }

  return function answerDigest(
    exchange: Exchange,
    { manifests }: Repository,
    digest: Digest | undefined,
    ofTag?: { readonly status: CacheStatus | undefined },
  ): Promise<void> | undefined {
    if (digest === undefined) throw new RegistryError('MANIFEST_UNKNOWN')
    const options = exchange.readOptions(
      (status) => (exchange.cacheStatus = combined(ofTag?.status, status)),
      ofTag !== undefined,
    )
    return whenKnown(manifests.get(digest, options), (manifest) => {
      if (manifest === undefined) throw new RegistryError('MANIFEST_UNKNOWN')
      return sendManifest(exchange, manifest)
    })
  }
}

function validatorsOf(digest: Digest): HeaderList {
  return ['Docker-Content-Digest', digest, 'ETag', etagOf(digest)]
}

/** The status of a stored manifest says nothing: the client wants to know how its tag was resolved. */
function combined(ofTag: CacheStatus | undefined, ofManifest: CacheStatus): CacheStatus {
  return ofTag === undefined || ofManifest.result !== 'hit' ? ofManifest : ofTag
}
