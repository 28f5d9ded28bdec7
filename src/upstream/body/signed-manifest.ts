import { DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, essenceOf } from '../../oci/media-types.ts'

/**
 * The bytes whose hash is a manifest's digest: the body, but for signed schema 1 the payload under its
 * signatures. Each signature's `protected` header says how long the payload's own part of the body is
 * (`formatLength`) and how it went on (`formatTail`): distribution's
 * docs/content/spec/deprecated-schema-v1.md "Signed Manifests".
 *
 * @returns undefined when it claims to be signed and is not so well-formed.
 */
export function digestedBytes(body: Buffer, contentType: string | undefined): Buffer | undefined {
  const essence = essenceOf(contentType)
  if (essence !== DOCKER_SCHEMA1_SIGNED && essence !== DOCKER_SCHEMA1) return body
  try {
    const { signatures } = JSON.parse(body.toString()) as { signatures?: { protected: string }[] }
    if (signatures === undefined) return body
    const header = JSON.parse(decode(signatures[0]!.protected).toString()) as {
      formatLength: number
      formatTail: string
    }
    if (!(header.formatLength >= 0 && header.formatLength <= body.length)) return undefined
    return Buffer.concat([body.subarray(0, header.formatLength), decode(header.formatTail)])
  } catch {
    return undefined
  }
}

function decode(base64url: string): Buffer {
  return Buffer.from(base64url, 'base64url')
}
