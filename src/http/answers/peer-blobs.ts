import { isDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { PeerAccess } from '../../ports/cluster.ts'
import type { Repository } from '../../ports/repository.ts'
import type { Exchange } from '../exchange.ts'
import type { BlobSending } from '../send-blob.ts'
import { answerBlob } from './blobs.ts'

/**
 * `GET /peer/<upstream>/<digest>`: what this replica has of a blob, for another replica. It is sent as fast as it
 * can be read: the other one shares it out among its clients.
 */
export function answerPeer(peers: PeerAccess, { pieces }: BlobSending) {
  const answer = answerBlob({ pieces })
  return (exchange: Exchange, upstream: string, digest: string): Promise<void> | undefined => {
    const { 'x-entrepot-peer': token, 'x-entrepot-size': expected } = exchange.incoming.headers
    if (typeof token !== 'string' || !isDigest(digest) || !peers.isPeer(token, upstream, digest)) {
      throw new RegistryError('NAME_UNKNOWN', { path: exchange.path.slice(0, 300) })
    }
    const size = /^\d{1,15}$/.test(String(expected)) ? Number(expected) : undefined
    const repository: Repository = {
      name: { upstream, name: '' },
      blobs: {
        stat: refuse,
        open: (_, { signal = new AbortController().signal } = {}) =>
          peers.open(upstream, digest, { size, signal }),
      },
      manifests: { get: refuse },
      tags: { resolve: refuse, list: refuse },
      referrers: { list: refuse },
    }
    return answer(exchange, repository, digest)
  }
}

function refuse(): never {
  throw new RegistryError('UNSUPPORTED')
}
