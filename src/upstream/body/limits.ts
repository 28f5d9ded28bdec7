import { jsonObject, parseJsonObject } from '../../util/json-object.ts'
import { headerOf, type UpstreamResponse } from '../requests.ts'

const MiB = 1024 * 1024

/** The largest bodies that are read into memory, in bytes. */
export const LIMITS = {
  /** The size registries must accept (distribution-spec v1.1.1 "Pushing Manifests") and clients read. */
  manifest: 4 * MiB,
  /** Some registries list every tag in one response. */
  tags: 16 * MiB,
  token: MiB,
  /** Only the code of an error is used. */
  error: 64 * 1024,
} as const

/**
 * Returns undefined when the body is, or claims to be, longer than `limit` bytes, and closes its connection;
 * as it does when `arrived`, which is told the size of every chunk, throws.
 */
export async function readBody(
  response: UpstreamResponse,
  limit: number,
  arrived?: (bytes: number) => void,
): Promise<Buffer | undefined> {
  const { body } = response
  if (Number(headerOf(response, 'content-length') ?? 0) > limit) {
    body.destroy()
    return undefined
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) return undefined
    arrived?.(chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

/**
 * The first code of a distribution-spec error body, such as `TOOMANYREQUESTS`. Undefined where there is none.
 * Never throws.
 */
export async function errorCodeOf(response: UpstreamResponse): Promise<string | undefined> {
  try {
    const body = await readBody(response, LIMITS.error)
    const errors = parseJsonObject(body ?? '')?.['errors']
    const code = Array.isArray(errors) ? jsonObject(errors[0])?.['code'] : undefined
    return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code : undefined
  } catch {
    // The body broke off. The status, which decides, is known.
    return undefined
  }
}
