import { type Answer, headerOf } from '../requests.ts'

const MiB = 1024 * 1024

/** The largest bodies we take into memory, in bytes. */
export const LIMITS = {
  /** What registries have to accept (distribution-spec v1.1.1 "Pushing Manifests"), and what clients read. */
  manifest: 4 * MiB,
  /** Some registries list every tag at once. */
  tags: 16 * MiB,
  token: MiB,
  /** Of an error its code is all we want. */
  error: 64 * 1024,
} as const

/** @returns undefined when the body is, or says it is, longer than `limit` bytes; its connection is then closed. */
export async function readBody(answer: Answer, limit: number): Promise<Buffer | undefined> {
  const { body } = answer
  if (Number(headerOf(answer, 'content-length') ?? 0) > limit) {
    body.destroy()
    return undefined
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

/** The first code of a distribution-spec error body, `TOOMANYREQUESTS`; undefined when there is none. Never throws. */
export async function errorCodeOf(answer: Answer): Promise<string | undefined> {
  try {
    const body = await readBody(answer, LIMITS.error)
    const { errors } = JSON.parse(body?.toString() ?? '{}') as { errors?: { code?: unknown }[] }
    const code = errors?.[0]?.code
    return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code : undefined
  } catch {
    // Whatever stands in an error body, the status has been said already.
    return undefined
  }
}
