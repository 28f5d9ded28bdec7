import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { eventually } from '../support/fixtures.ts'
import { uploadRig } from './setup.ts'

const MiB = 1024 * 1024

test('of a blob whose destination stops reading, no more is read than sockets hold', async () => {
  const server = createServer((incoming, outgoing) => {
    if (incoming.method === 'HEAD') return void outgoing.writeHead(404).end()
    if (incoming.method !== 'POST') return
    outgoing.writeHead(202, { location: '/v2/app/blobs/uploads/1', range: '0-0' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const rig = uploadRig(`http://127.0.0.1:${port}`, { policy: { chunk: 1024 * MiB } })
  const digest = digestOf(Buffer.from('as large as it gets'))
  const size = 512 * MiB
  let read = 0
  let open = 0
  const leaving = new AbortController()
  const upload = rig.manager.upload(
    {
      destination: rig.destination,
      repository: 'app',
      digest,
      size,
      open: async () => {
        open += 1
        return {
          descriptor: { mediaType: 'application/octet-stream', digest, size },
          async read(buffer: Buffer) {
            read += buffer.length
            return buffer.length
          },
          async [Symbol.asyncDispose]() {
            open -= 1
          },
        }
      },
    },
    leaving.signal,
  )
  upload.catch(() => {})
  try {
    let before = -1
    let quiet = 0
    await eventually(async () => {
      quiet = read > 0 && read === before ? quiet + 1 : 0
      before = read
      return quiet > 50
    }, 30_000)
    assert.ok(read < 32 * MiB, `${read / MiB} MiB`)
  } finally {
    leaving.abort(new Error('enough'))
    server.closeAllConnections()
    await assert.rejects(upload, /enough/)
    await rig[Symbol.asyncDispose]()
    server.close()
  }
  assert.equal(open, 0)
})
