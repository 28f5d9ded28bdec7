/** Small builders of content. Everything is deterministic: the same arguments give the same bytes. */
import { execFileSync } from 'node:child_process'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'

export interface Blob {
  readonly bytes: Buffer
  readonly digest: Digest
}

/** `size` pseudo-random bytes (xorshift32), different for every `seed`. */
export function blobOf(size: number, seed = 1): Blob {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = Math.imul(seed, 0x9e3779b1) | 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  const bytes = Buffer.from(words.buffer, 0, size)
  return { bytes, digest: digestOf(bytes) }
}

export function descriptorOf(bytes: Buffer, mediaType: string = OCTET_STREAM): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

/** An OCI image manifest over `layers`; `extra` adds or replaces fields (`subject`, `artifactType`, `annotations`). */
export function manifestOf(layers: readonly Buffer[], extra: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptorOf(Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map((layer) => descriptorOf(layer, 'application/vnd.oci.image.layer.v1.tar+gzip')),
      ...extra,
    }),
  )
}

export function indexOf(manifests: readonly Descriptor[], extra: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...extra }))
}

/** A fresh self-signed certificate for 127.0.0.1 and localhost, as PEM. */
export function selfSignedCertificate(names = 'IP:127.0.0.1,DNS:localhost'): { key: string; cert: string } {
  const options = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2
    -subj /CN=localhost -addext subjectAltName=${names}
    -keyout - -out -`
  const pem = execFileSync('openssl', options.split(/\s+/), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [key] = /-----BEGIN PRIVATE KEY-----[^]*?-----END PRIVATE KEY-----\n/.exec(pem)!
  const [cert] = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(pem)!
  return { key, cert }
}

/** Waits until `condition` holds, looking every few milliseconds; fails after `deadline` milliseconds. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  deadline = 5_000,
): Promise<void> {
  const end = performance.now() + deadline
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${deadline} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
