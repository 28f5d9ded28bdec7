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
 * Hands over the pieces of a body as they come.
 *
 * @param take may throw, which closes the connection; the next piece waits for its promise
 * @returns whether it ended; false when it is, or claims to be, longer than `limit` bytes: its connection is
 * closed then
 */
export async function readPieces(
  response: UpstreamResponse,
  limit: number,
  take: (piece: Buffer) => void | Promise<void>,
): Promise<boolean> {
  const { body } = response
  if (Number(headerOf(response, 'content-length') ?? 0) > limit) {
    body.destroy()
    return false
  }
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) return false
    await take(chunk)
  }
  return true
}

/** The whole body; undefined when it is too long, as `readPieces` says. */
export async function readBody(response: UpstreamResponse, limit: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  const isWhole = await readPieces(response, limit, (piece) => void pieces.push(piece))
  return isWhole ? Buffer.concat(pieces) : undefined
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
