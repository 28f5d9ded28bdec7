import { createPublicKey, type JsonWebKey, type KeyObject, verify, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { jsonObject, type JsonObject, parseJsonObject } from '../util/json-object.ts'

/** Hash and form of a signature by its algorithm: RFC 7518 section 3.1, as far as libtrust has it. */
const ALGORITHMS: ReadonlyMap<string, { readonly hash: string; readonly type: 'ec' | 'rsa' }> = new Map([
  ['ES256', { hash: 'sha256', type: 'ec' }],
  ['ES384', { hash: 'sha384', type: 'ec' }],
  ['ES512', { hash: 'sha512', type: 'ec' }],
  ['RS256', { hash: 'sha256', type: 'rsa' }],
  ['RS384', { hash: 'sha384', type: 'rsa' }],
  ['RS512', { hash: 'sha512', type: 'rsa' }],
])
/** A manifest has up to 4 MiB, which other threads hash. */
const verifyInPool = promisify(verify)
/** Signatures that are checked. Registries write one; some have appended those of every push. */
const MOST = 4

/**
 * Checks the signatures of a schema 1 manifest over its payload (RFC 7515 section 5.2): the first few must be right, by
 * the key that it brings along. That tells damage. It tells nobody's name, for anybody may bring a key.
 *
 * @param payload what `digestedBytes` returned for the body
 * @returns what is wrong; undefined for a manifest without signatures too
 */
export async function signatureProblem(body: Buffer, payload: Buffer): Promise<string | undefined> {
  const signatures = parseJsonObject(body)?.['signatures']
  if (signatures === undefined) return undefined
  if (!Array.isArray(signatures) || signatures.length === 0) return 'its signatures are malformed'
  const encoded = payload.toString('base64url')
  for (const signature of signatures.slice(0, MOST))
    if (!(await isRight(jsonObject(signature), encoded))) return 'its signature does not match its content'
  return undefined
}

async function isRight(signature: JsonObject | undefined, payload: string): Promise<boolean> {
  const { protected: header, signature: value } = signature ?? {}
  const { alg, jwk, x5c } = jsonObject(signature?.['header']) ?? {}
  const algorithm = ALGORITHMS.get(String(alg))
  if (typeof header !== 'string' || typeof value !== 'string' || algorithm === undefined) return false
  const key = keyOf(jwk, x5c)
  if (key?.asymmetricKeyType !== algorithm.type) return false
  const signed = Buffer.from(`${header}.${payload}`)
  const bytes = Buffer.from(value, 'base64url')
  return verifyInPool(algorithm.hash, signed, { key, dsaEncoding: 'ieee-p1363' }, bytes)
}

function keyOf(jwk: unknown, chain: unknown): KeyObject | undefined {
  try {
    if (Array.isArray(chain) && typeof chain[0] === 'string')
      return new X509Certificate(Buffer.from(chain[0], 'base64')).publicKey
    return createPublicKey({ key: jsonObject(jwk) as JsonWebKey, format: 'jwk' })
  } catch (error) {
    // Node and OpenSSL have many codes for a key that is none.
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}
