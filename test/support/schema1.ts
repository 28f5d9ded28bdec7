/** Images as registries had them before schema 2. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type Digest, digestOf } from '../../src/oci/digest.ts'

/** One layer of an image, and its image JSON. */
export interface OldLayer {
  readonly blob: Buffer | Digest
  /** Its image JSON; `id` and `parent` are made up. */
  readonly json?: object
}

/** The digest of the 32 bytes that a tar without files has in gzip, which Docker wrote for layers without files. */
export const EMPTY_LAYER = Buffer.from(
  '1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000',
  'hex',
)

/** The payload of a schema 1 manifest, indented as Docker has it. `layers` come oldest first. */
export function schema1Payload(layers: readonly OldLayer[], extra: object = {}): Buffer {
  const ids = layers.map((_, i) => String(i).padStart(64, 'a'))
  const document = {
    schemaVersion: 1,
    name: 'library/old',
    tag: 'v1',
    architecture: 'amd64',
    fsLayers: layers
      .map(({ blob }) => ({ blobSum: typeof blob === 'string' ? blob : digestOf(blob) }))
      .toReversed(),
    history: layers
      .map(({ json }, i) => ({
        v1Compatibility: JSON.stringify({
          id: ids[i],
          ...(i > 0 && { parent: ids[i - 1] }),
          created: '2015-04-01T12:00:00.123456789Z',
          container_config: { Cmd: ['/bin/sh', '-c', `step ${i}`] },
          ...json,
        }),
      }))
      .toReversed(),
    ...extra,
  }
  return Buffer.from(JSON.stringify(document, null, 3))
}

/** A payload with the signature of a fresh key, as libtrust writes it. */
export function signed(
  payload: Buffer,
  change: (signature: Record<string, unknown>) => void = () => {},
): Buffer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tail = '\n}'
  const length = payload.length - tail.length
  const header = {
    formatLength: length,
    formatTail: Buffer.from(tail).toString('base64url'),
    time: '2015-04-01T12:00:00Z',
  }
  const encoded = Buffer.from(JSON.stringify(header)).toString('base64url')
  const signature: Record<string, unknown> = {
    header: { jwk: publicKey.export({ format: 'jwk' }), alg: 'ES256' },
    signature: signatureOf(`${encoded}.${payload.toString('base64url')}`, privateKey),
    protected: encoded,
  }
  change(signature)
  const text = JSON.stringify([signature], null, 3).replaceAll('\n', '\n   ')
  return Buffer.concat([payload.subarray(0, length), Buffer.from(`,\n   "signatures": ${text}${tail}`)])
}

function signatureOf(text: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}
