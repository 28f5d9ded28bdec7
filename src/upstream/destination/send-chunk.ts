import { RegistryError } from '../../oci/errors.ts'
import type { Chunk } from '../../ports/moving/destination.ts'
import type { Transport, UpstreamRequest, UpstreamResponse } from '../requests.ts'

export interface SendChunkOptions {
  readonly upstream: string
  readonly transport: Transport
  /** Milliseconds between two pieces that the destination takes. */
  readonly idle: number
  /** Milliseconds from the last byte to the response. */
  readonly commit: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request whose body is `chunk`, however long that takes, as long as it goes on. The body waits for
 * the socket, so that no more than a few pieces are in memory.
 *
 * @throws RegistryError UPSTREAM_TIMEOUT when the destination takes no more, or does not answer. What reading
 * the chunk fails with.
 */
export async function sendChunk(
  request: UpstreamRequest,
  chunk: Chunk,
  { upstream, transport, idle, commit, signal }: SendChunkOptions,
): Promise<UpstreamResponse> {
  const late = new AbortController()
  const over = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const expect = (milliseconds: number): void => {
    clearTimeout(timer)
    // The response may come before the body has noticed that all of it was taken.
    if (over.signal.aborted) return
    const reason = 'took no more bytes in time'
    timer = setTimeout(
      () => late.abort(new RegistryError('UPSTREAM_TIMEOUT', { upstream, reason })),
      milliseconds,
    )
  }
  let failure: { readonly reason: unknown } | undefined
  async function* body(ended: AbortSignal): AsyncGenerator<Buffer> {
    try {
      // Its source may take its time: only what the destination does with a piece is watched.
      for await (const piece of chunk.read(AbortSignal.any([ended, over.signal]))) {
        expect(idle)
        yield piece
        clearTimeout(timer)
      }
      expect(commit)
    } catch (error) {
      failure ??= { reason: error }
      throw error
    }
  }
  const both = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
  const headers = {
    'content-type': 'application/octet-stream',
    ...request.headers,
    'content-length': String(chunk.size),
  }
  expect(idle + commit)
  try {
    return await transport({
      ...request,
      headers,
      ...(chunk.size > 0 && { body }),
      signal: both,
    })
  } catch (error) {
    if (late.signal.aborted) throw late.signal.reason
    // What the source failed with says more than how the connection ended by it.
    throw failure === undefined || signal?.aborted ? error : failure.reason
  } finally {
    clearTimeout(timer)
    over.abort()
  }
}
