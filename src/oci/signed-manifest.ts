import { DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, essenceOf } from './media-types.ts'
import { jsonObject, parseJsonObject } from '../util/json-object.ts'

/**
 * The bytes whose hash is the digest of a manifest: the body, or for signed schema 1 the payload under its
 * signatures. The `protected` header of a signature says how much of the body is the payload's
 * (`formatLength`) and how the payload ends (`formatTail`): distribution's
 * docs/content/spec/deprecated-schema-v1.md "Signed Manifests".
 *
 * @returns undefined when the manifest claims to be signed, and its payload is anything else than the body
 * without the signatures
 *   (SEC-82).
 */
export function digestedBytes(body: Buffer, contentType: string | undefined): Buffer | undefined {
  const essence = essenceOf(contentType)
  if (essence !== DOCKER_SCHEMA1_SIGNED && essence !== DOCKER_SCHEMA1) return body
  const document = parseJsonObject(body)
  if (document === undefined) return undefined
  const { signatures } = document
  if (signatures === undefined) return body
  const first = Array.isArray(signatures) ? jsonObject(signatures[0]) : undefined
  const header = parseJsonObject(decoded(first?.['protected']))
  const length = header?.['formatLength']
  if (typeof length !== 'number' || !Number.isInteger(length) || length < 1 || length > body.length) {
    return undefined
  }
  const tail = decoded(header?.['formatTail'])
  if (!/^\s*\}\s*$/.test(tail.toString('latin1')) || !areSignatures(body.subarray(length))) return undefined
  const payload = Buffer.concat([body.subarray(0, length), tail])
  return parseJsonObject(payload) === undefined ? undefined : payload
}

/** Whether the rest of an object's text is its `signatures` and nothing else. */
function areSignatures(rest: Buffer): boolean {
  const text = rest.toString()
  if (!/^\s*,\s*"signatures"\s*:/.test(text)) return false
  const document = parseJsonObject(`{"": 0${text}`)
  return document !== undefined && Object.keys(document).join() === ',signatures' && document[''] === 0
}

function decoded(base64url: unknown): Buffer {
  return typeof base64url === 'string' ? Buffer.from(base64url, 'base64url') : Buffer.alloc(0)
}
