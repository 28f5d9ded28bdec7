import { createHash, createHmac } from 'node:crypto'
import type { WireRequest } from '../fake-upstream/wire.ts'

export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/**
 * Verifies a signature as Amazon does ("Create a signed AWS API request").
 *
 * @returns Amazon's code of what is wrong with it; undefined when nothing is
 */
export function signatureProblem(
  { method, target, headers, body }: WireRequest,
  keys: AwsKeys,
  region: string,
  service: string,
): string | undefined {
  const [, credential = '', signed = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([\da-f]{64})$/.exec(
      headers['authorization'] ?? '',
    ) ?? []
  if (signature === undefined) return 'MissingAuthenticationTokenException'
  const time = headers['x-amz-date'] ?? ''
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
  if (credential !== `${keys.accessKeyId}/${scope}`) return 'UnrecognizedClientException'
  if (headers['x-amz-security-token'] !== keys.sessionToken) return 'UnrecognizedClientException'
  const names = signed.split(';')
  const missing = Object.keys(headers).filter((name) => name.startsWith('x-amz-') && !names.includes(name))
  if (!names.includes('host') || missing.length > 0) return 'IncompleteSignatureException'
  const [path = '', query = ''] = target.split('?')
  const canonical = [
    method,
    path,
    query,
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    signed,
    sha256(body),
  ].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = [...scope.split('/')].reduce<string | Buffer>(hmac, `AWS4${keys.secretAccessKey}`)
  return hmac(key, toSign).toString('hex') === signature ? undefined : 'InvalidSignatureException'
}
