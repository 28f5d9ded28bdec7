import { customFetch, createRemoteJWKSet, type FetchImplementation, type RemoteJWKSet } from 'jose'
import { Agent, request } from 'undici'

export interface KeySet extends AsyncDisposable {
  readonly key: RemoteJWKSet
}

export interface KeySetOptions {
  /** The URL of the JSON Web Key Set (RFC 7517 section 5). No other host is dialled. */
  readonly url: string
  /** Receives the error of a fetch that failed. */
  readonly failed: (error: unknown) => void
}

// Milliseconds.
const FETCH_TIMEOUT = 5_000
/** Keys are fetched again after this time, and for an unknown key id, but at most once in `COOLDOWN`. */
const MAX_AGE = 600_000
const COOLDOWN = 30_000
/** The last keys stay in use for this time while the issuer is unavailable. */
const GRACE = 24 * 3_600_000
const MAX_BYTES = 256 * 1024

/** The keys that verify tokens, fetched when they are first needed. */
export function keySet({ url, failed }: KeySetOptions): KeySet {
  const agent = new Agent({ connections: 1, connect: { timeout: FETCH_TIMEOUT } })
  let last: { readonly text: string; readonly at: number } | undefined
  let failure: { readonly error: unknown; readonly at: number } | undefined

  const ask: FetchImplementation = async (_url, { signal }) => {
    const now = performance.now()
    if (failure !== undefined && now - failure.at < COOLDOWN) return lastKnown(now, failure.error)
    try {
      last = { text: await fetchText(url, agent, signal), at: now }
      failure = undefined
      return new Response(last.text)
    } catch (error) {
      failure = { error, at: now }
      failed(error)
      return lastKnown(now, error)
    }
  }

  function lastKnown(now: number, error: unknown): Response {
    if (last === undefined || now - last.at > GRACE) throw error
    return new Response(last.text)
  }

  return {
    key: createRemoteJWKSet(new URL(url), {
      [customFetch]: ask,
      timeoutDuration: FETCH_TIMEOUT,
      cooldownDuration: COOLDOWN,
      cacheMaxAge: MAX_AGE,
    }),
    [Symbol.asyncDispose]: () => agent.close(),
  }
}

async function fetchText(url: string, dispatcher: Agent, signal: AbortSignal): Promise<string> {
  const headers = { accept: 'application/jwk-set+json, application/json' }
  const { statusCode, body } = await request(url, { dispatcher, headers, signal })
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    if ((length += chunk.length) > MAX_BYTES) throw new Error(`${url} answered more than ${MAX_BYTES} bytes`)
  }
  if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`)
  const text = Buffer.concat(chunks).toString()
  JSON.parse(text)
  return text
}
