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
  const { path, query } = partsOf(target)
  const canonical = [
    method,
    path,
    canonicalQuery(query),
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    signed,
    // S3 compares it with the body by itself.
    headers['x-amz-content-sha256'] ?? sha256(body),
  ].join('\n')
  const isRight = signatureOf(canonical, time, scope, keys) === signature
  return isRight ? undefined : 'InvalidSignatureException'
}

/**
 * Verifies the signature of a URL ("Authenticating Requests: Using Query Parameters"), which is of one method.
 *
 * @param now epoch milliseconds
 * @returns the code of what is wrong with it; undefined when nothing is
 */
export function presignedProblem(
  { method, target, headers }: Pick<WireRequest, 'method' | 'target' | 'headers'>,
  keys: AwsKeys,
  region: string,
  now: number,
): string | undefined {
  const { path, query } = partsOf(target)
  const signature = query.get('X-Amz-Signature')
  query.delete('X-Amz-Signature')
  const time = query.get('X-Amz-Date') ?? ''
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  if (query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') return 'AuthorizationQueryParametersError'
  if (query.get('X-Amz-Credential') !== `${keys.accessKeyId}/${scope}`) return 'InvalidAccessKeyId'
  if ((query.get('X-Amz-Security-Token') ?? undefined) !== keys.sessionToken) return 'InvalidToken'
  if (headers['authorization'] !== undefined) return 'InvalidArgument'
  const begins = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(now >= begins - 1000 && now < begins + 1000 * Number(query.get('X-Amz-Expires'))))
    return 'AccessDenied'
  const canonical = [
    method,
    path,
    canonicalQuery(query),
    `host:${headers['host']}`,
    '',
    'host',
    'UNSIGNED-PAYLOAD',
  ].join('\n')
  return signatureOf(canonical, time, scope, keys) === signature ? undefined : 'SignatureDoesNotMatch'
}

function partsOf(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const [path = '', query = ''] = target.split('?')
  return { path, query: new URLSearchParams(query) }
}

function canonicalQuery(query: URLSearchParams): string {
  const encoded = (text: string): string =>
    encodeURIComponent(text).replaceAll(
      /[!'()*]/g,
      (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
    )
  return [...query]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted()
    .join('&')
}

function signatureOf(canonical: string, time: string, scope: string, keys: AwsKeys): string {
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = [...scope.split('/')].reduce<string | Buffer>(hmac, `AWS4${keys.secretAccessKey}`)
  return hmac(key, toSign).toString('hex')
}
