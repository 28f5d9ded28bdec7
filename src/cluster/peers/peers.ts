import { Agent, request } from 'undici'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import { ChunkIterator } from '../../util/async/chunk-iterator.ts'
import type { Interval } from '../../util/interval-set.ts'
import { type PeerTokens, SIZE_HEADER, TOKEN_HEADER } from './peer-token.ts'

/** The other replicas, as sources of what they are downloading. */
export interface Peers extends AsyncDisposable {
  /**
   * Reads along.
   *
   * @returns undefined when the replica does not have it
   * @throws RegistryError UPSTREAM_UNAVAILABLE or UPSTREAM_TIMEOUT
   */
  open(
    address: string,
    blob: { readonly upstream: string; readonly digest: Digest; readonly size?: number | undefined },
    range: Partial<Interval> | undefined,
    signal: AbortSignal,
  ): Promise<BlobBody | undefined>
}

/** Milliseconds. The first byte may be as far away as upstream makes it. */
const TIMEOUTS = { connect: 500, headers: 30_000, idle: 30_000 }
const CONTENT_RANGE = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/

export function peers(tokens: Pick<PeerTokens, 'token'>): Peers {
  const agent = new Agent({
    connect: { timeout: TIMEOUTS.connect },
    headersTimeout: TIMEOUTS.headers,
    bodyTimeout: TIMEOUTS.idle,
  })
  return {
    async open(address, { upstream, digest, size }, range, signal) {
      const detail = { upstream, peer: address }
      try {
        const { statusCode, headers, body } = await request(new URL(`/peer/${upstream}/${digest}`, address), {
          dispatcher: agent,
          signal,
          headers: {
            [TOKEN_HEADER]: tokens.token({ address, upstream, digest }),
            ...(size !== undefined && { [SIZE_HEADER]: String(size) }),
            ...(range && {
              range: `bytes=${range.start ?? 0}-${range.end === undefined ? '' : range.end - 1}`,
            }),
          },
        })
        if (statusCode === 404) return void (await body.dump())
        const place = CONTENT_RANGE.exec(String(headers['content-range']))
        if (statusCode !== 200 && (statusCode !== 206 || place === null)) {
          await body.dump()
          const code = statusCode === 416 ? 'RANGE_INVALID' : 'UPSTREAM_UNAVAILABLE'
          throw new RegistryError(code, { ...detail, status: statusCode })
        }
        const total = Number(place?.[2] ?? headers['content-length'])
        return {
          start: Number(place?.[1] ?? 0),
          ...(Number.isSafeInteger(total) && { total }),
          ranges: true,
          isFollowed: true,
          [Symbol.asyncIterator]: () => new ChunkIterator(body, (error) => lost(detail, error)),
        }
      } catch (error) {
        if (signal.aborted || error instanceof RegistryError) throw error
        throw lost(detail, error)
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

function lost(detail: { readonly upstream: string; readonly peer: string }, error: unknown): RegistryError {
  const reason = error instanceof Error && 'code' in error ? String(error.code) : 'connection failed'
  const code = /TIMEOUT/.test(reason) ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNAVAILABLE'
  return new RegistryError(code, { ...detail, reason }, { cause: error })
}
