/**
 * A registry with a healthy repository and hostile ones, in a process of its own: `node hostile-upstream.ts`. Says its
 * port, and what is in it, as a line of JSON (`HostileContent`).
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { blobOf, manifestOf } from '../../test/support/fixtures.ts'

export interface HostileContent {
  readonly port: number
  /** Paths of a manifest and a blob that everybody pulls. */
  readonly warm: readonly string[]
}

const KiB = 1024
const COLD = 64 * KiB
/** Bytes of a layer that does not exist. */
const HUGE = 59 * 1024 * KiB
const TAGS = 10_000
/** The most that a manifest may have. */
const REFERENCES = 10_000
/** Milliseconds. */
const SLOW = 5_000
const TRICKLE = 2_000

const warm = blobOf(64 * KiB, 1)
const manifest = manifestOf([warm.bytes])
const common = blobOf(COLD).bytes
const tagNames = Array.from(
  { length: TAGS },
  (_, i) => `build-2026.11.25-${String(i).padStart(8, '0')}-linux`,
)
const tags = (name: string) => JSON.stringify({ name, tags: tagNames })
const longList = JSON.stringify({
  name: 'hostile/long',
  tags: tagNames.flatMap((tag) => range(30).map((i) => `${tag}-${i}`)),
})
const referrers = JSON.stringify({
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [],
  annotations: { padding: 'x'.repeat(3_900_000) },
})

/** Manifests that were asked for by tag, and may be by digest next. */
const recent = new Map<string, { readonly type: string; readonly body: Buffer }>()
const RECENT = 20

/** A blob's number is its first bytes, so that any number of them costs no memory. Made when its manifest is. */
const numbered = new Map<string, Buffer>()

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://upstream')
  const [, name = '', kind, reference = ''] =
    /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.+)$/.exec(url.pathname) ?? []
  if (kind === undefined) return void response.end('{}')
  const isHead = request.method === 'HEAD'
  const document = (type: string, body: Buffer | string) => answer(response, type, Buffer.from(body), isHead)
  if (kind === 'manifests') {
    return manifestOfName(name, reference, response, (type, text) => {
      const body = Buffer.from(text)
      recent.set(digestOf(body), { type, body })
      if (recent.size > RECENT) recent.delete(recent.keys().next().value!)
      document(type, body)
    })
  }
  if (kind === 'tags') return tagList(name, response, document)
  if (kind === 'referrers') return document(OCI_INDEX, referrers)
  if (name === 'hostile/trickle') return trickle(response)
  const bytes = reference === warm.digest ? warm.bytes : numbered.get(reference)
  if (bytes === undefined) return failure(response, 404)
  document('application/octet-stream', bytes)
  if (!isHead) numbered.delete(reference)
})

type Document = (type: string, body: Buffer | string) => void

function manifestOfName(name: string, reference: string, response: ServerResponse, document: Document): void {
  const known = recent.get(reference)
  if (known !== undefined) return document(known.type, known.body)
  const number = Number(/^n(\d+)$/.exec(reference)?.[1] ?? Number.NaN)
  if (name === 'hostile/broken') return failure(response, 500)
  if (name === 'library/healthy') return document(OCI_MANIFEST, manifest)
  if (name === 'hostile/huge')
    return document(OCI_MANIFEST, manifestOf([], { layers: [absent(number, HUGE)] }))
  if (name === 'hostile/references') {
    return document(
      OCI_MANIFEST,
      manifestOf([], { layers: range(REFERENCES).map((i) => absent(number * REFERENCES + i, 1)) }),
    )
  }
  if (name === 'hostile/nested') {
    const nested = `${'['.repeat(950_000)}${']'.repeat(950_000)}`
    return document(OCI_MANIFEST, `{"schemaVersion":2,"n":${number},"nested":${nested}}`)
  }
  if (name === 'cold/app') return document(OCI_MANIFEST, manifestOf([newBlob(number)]))
  failure(response, 404)
}

function tagList(name: string, response: ServerResponse, document: Document): void {
  if (name === 'hostile/slow') return void setTimeout(() => failure(response, 500), SLOW)
  document('application/json', name.startsWith('hostile/long') ? longList : tags(name))
}

function newBlob(number: number): Buffer {
  const bytes = Buffer.from(common)
  bytes.writeUInt32LE(number)
  numbered.set(digestOf(bytes), bytes)
  return bytes
}

function absent(number: number, size: number): object {
  const digest = `sha256:${String(number).padStart(64, '0')}`
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size }
}

function trickle(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': COLD })
  const timer = setInterval(() => response.write('x'), TRICKLE)
  response.once('close', () => clearInterval(timer))
  response.write('x')
}

function answer(response: ServerResponse, type: string, body: Buffer, isHead: boolean): void {
  response.writeHead(200, {
    'Content-Type': type,
    'Content-Length': body.length,
    'Docker-Content-Digest': digestOf(body),
  })
  response.end(isHead ? undefined : body)
}

function failure(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end('{"errors":[]}')
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i)
}

server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const paths = [`manifests/latest`, `blobs/${warm.digest}`].map((path) => `/v2/library/healthy/${path}`)
process.stdout.write(`${JSON.stringify({ port, warm: paths } satisfies HostileContent)}\n`)
