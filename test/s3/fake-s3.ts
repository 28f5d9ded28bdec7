/** A bucket on 127.0.0.1 for faults. What a real service does is shown with Ceph RGW, in `e2e/cluster`. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AwsKeys, presignedProblem, signatureProblem } from '../support/clouds/sig-v4.ts'

interface StoredObject {
  bytes: Buffer
  type: string
  storedAt: number
}

export interface FakeS3 extends AsyncDisposable {
  readonly url: string
  readonly objects: Map<string, StoredObject>
  /** `PUT blobs/…` without the query, in order. */
  readonly requests: string[]
  /** Parts of uploads that were begun and are neither complete nor aborted. */
  readonly openUploads: number
  /** Who may use it. Signatures are verified. */
  keys: AwsKeys
  /** What becomes of the next requests. `hang`: they get no answer. */
  mode: 'right' | 'hang' | 'refuse' | 'reset' | 503
  /** Answers without what many services do not have. */
  lacks: Set<'ranges' | 'conditions' | 'verification'>
  /** Epoch milliseconds, of its clock. */
  now: () => number
  /** Once it has so many objects, an upload gets no answer. */
  most: number
  /** After so many bytes of a body the connection is reset, once. */
  breakAfter: number | undefined
}

const BUCKET = '/images/'
const DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

export const S3_CONFIG = {
  bucket: 'images',
  region: 'us-east-1',
  accessKeyId: 'test',
  secretAccessKey: 'testsecret',
} as const

const { accessKeyId, secretAccessKey, ...PLACE } = S3_CONFIG
const KEYS = { accessKeyId, secretAccessKey }
/** The same for a client. */
export const S3_LOGIN = { ...PLACE, credentials: () => KEYS }

export async function fakeS3({ region = S3_CONFIG.region as string } = {}): Promise<FakeS3> {
  const uploads = new Map<string, { key: string; type: string; parts: Map<number, Buffer> }>()
  let lastUpload = 0
  const server = createServer((request, response) => {
    void take(request).then((body) => {
      const path = request.url!.split('?')[0]!
      fake.requests.push(`${request.method} ${path.replace(BUCKET, '')}`)
      response.setHeader('date', new Date(fake.now()).toUTCString())
      if (fake.mode === 'hang') return undefined
      if (request.method === 'PUT' && fake.objects.size >= fake.most) return undefined
      if (fake.mode === 'reset') return request.socket.destroy()
      if (fake.mode === 503) return response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>')
      return answer(request, response, body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const fake: FakeS3 = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects: new Map(),
    requests: [],
    get openUploads() {
      return uploads.size
    },
    mode: 'right',
    keys: { accessKeyId, secretAccessKey },
    lacks: new Set(),
    now: Date.now,
    most: Infinity,
    breakAfter: undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return fake

  function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url!, fake.url)
    const fail = (status: number, code: string): void => {
      response.writeHead(status)
      response.end(request.method === 'HEAD' ? '' : `<Error><Code>${code}</Code></Error>`)
    }
    const refusal = refusalOf(request)
    if (refusal !== undefined) return fail(refusal === 'ExpiredToken' ? 400 : 403, refusal)
    if (!`${url.pathname}/`.startsWith(BUCKET)) return fail(404, 'NoSuchBucket')
    const announced = request.headers['x-amz-content-sha256']
    const isSound =
      announced === undefined ||
      fake.lacks.has('verification') ||
      createHash('sha256').update(body).digest('hex') === announced
    if (!isSound) return fail(400, 'XAmzContentSHA256Mismatch')
    const key = url.pathname.slice(BUCKET.length)
    const query = url.searchParams
    if (request.method === 'POST' || query.has('uploadId'))
      return multipart(request, response, { key, query, body, fail })
    if (request.method === 'GET' && query.get('list-type') === '2') return list(response, query)
    if (request.method === 'DELETE') {
      fake.objects.delete(key)
      response.writeHead(204).end()
      return
    }
    const found = fake.objects.get(key)
    if (request.method === 'PUT') {
      const copied = request.headers['x-amz-copy-source']
      if (copied === undefined && found !== undefined && request.headers['if-none-match'] === '*') {
        if (!fake.lacks.has('conditions')) return fail(412, 'PreconditionFailed')
      }
      const bytes = copied === undefined ? body : found!.bytes
      store(key, bytes, String(request.headers['content-type']))
      response.writeHead(200, { etag: '"x"' }).end()
      return
    }
    if (found === undefined) return fail(404, 'NoSuchKey')
    send(request, response, found, fail)
  }

  function refusalOf({ method = '', url = '', headers: given }: IncomingMessage): string | undefined {
    const headers = given as Record<string, string>
    const asked = { method, target: url, headers, body: '' }
    if (url.includes('X-Amz-Signature=')) return presignedProblem(asked, fake.keys, region, fake.now())
    const time = DATE.exec(headers['x-amz-date'] ?? '')?.slice(1)
    if (time === undefined) return 'AccessDenied'
    const [year, month, day, hour, minute, second] = time
    const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
    if (Math.abs(signedAt - fake.now()) > 900_000) return 'RequestTimeTooSkewed'
    const problem = signatureProblem(asked, fake.keys, region, 's3')
    if (problem === undefined) return undefined
    return fake.keys.sessionToken === undefined ? 'InvalidAccessKeyId' : 'ExpiredToken'
  }

  function store(key: string, bytes: Buffer, type: string): void {
    fake.objects.set(key, { bytes, type, storedAt: fake.now() })
  }

  function send(
    request: IncomingMessage,
    response: ServerResponse,
    { bytes, type }: StoredObject,
    fail: (status: number, code: string) => void,
  ): void {
    const range = fake.lacks.has('ranges') ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const start = Number(range?.[1] ?? 0)
    const end = Math.min(bytes.length, range?.[2] ? Number(range[2]) + 1 : bytes.length)
    if (range && start >= bytes.length) return fail(416, 'InvalidRange')
    response.writeHead(range ? 206 : 200, {
      'content-type': type,
      'content-length': end - start,
      ...(range && { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
    })
    if (request.method === 'HEAD') return void response.end()
    const breakAfter = fake.breakAfter
    if (breakAfter === undefined || end - start <= breakAfter)
      return void response.end(bytes.subarray(start, end))
    fake.breakAfter = undefined
    response.write(bytes.subarray(start, start + breakAfter), () => request.socket.destroy())
  }

  function multipart(
    request: IncomingMessage,
    response: ServerResponse,
    {
      key,
      query,
      body,
      fail,
    }: { key: string; query: URLSearchParams; body: Buffer; fail: (status: number, code: string) => void },
  ): void {
    if (query.has('uploads')) {
      const id = `upload-${++lastUpload}`
      uploads.set(id, { key, type: String(request.headers['content-type']), parts: new Map() })
      response.end(`<R><UploadId>${id}</UploadId></R>`)
      return
    }
    const id = query.get('uploadId')!
    const upload = uploads.get(id)
    if (upload === undefined) return fail(404, 'NoSuchUpload')
    if (request.method === 'PUT') {
      upload.parts.set(Number(query.get('partNumber')), body)
      response.writeHead(200, { etag: `"${query.get('partNumber')}"` }).end()
      return
    }
    uploads.delete(id)
    if (request.method === 'POST') {
      const parts = [...upload.parts].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes)
      store(key, Buffer.concat(parts), upload.type)
    }
    response.end('<R/>')
  }

  /** Two a page. */
  function list(response: ServerResponse, query: URLSearchParams): void {
    const after = query.get('continuation-token') ?? ''
    const keys = [...fake.objects.keys()].filter((key) => key.startsWith(query.get('prefix')!)).toSorted()
    const page = keys.filter((key) => key > after).slice(0, 2)
    const contents = page.map((key) => {
      const { bytes, storedAt } = fake.objects.get(key)!
      const date = new Date(storedAt).toISOString()
      return `<Contents><Key>${key}</Key><LastModified>${date}</LastModified><Size>${bytes.length}</Size></Contents>`
    })
    const isLast = page.length < 2 || page.at(-1) === keys.at(-1)
    const next = isLast ? '' : `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>`
    response.end(`<ListBucketResult>${contents.join('')}${next}</ListBucketResult>`)
  }
}

async function take(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer)
  } catch {
    // The client left; it gets no answer.
  }
  return Buffer.concat(chunks)
}
