/**
 * A registry that is as fast as Node can be, in a process of its own: `node upstream.ts <MiB> <bytes per second and connection>`.
 * SIGUSR2 has it go as if killed, every connection reset and new ones refused, and the next one come back on the same port.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRange } from '../../src/http/headers/range.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { blobOf, manifestOf } from '../../test/support/fixtures.ts'

const [mebibytes = '64', rate = '0'] = process.argv.slice(2)
const large = blobOf(Number(mebibytes) * 1024 * 1024)
const small = blobOf(233, 2)
const manifestBytes = manifestOf([large.bytes, small.bytes])
const manifest = { bytes: manifestBytes, digest: digestOf(manifestBytes) }
const blobs = new Map([large, small].map(({ digest, bytes }) => [`/v2/library/app/blobs/${digest}`, bytes]))
let sent = 0
let gets = 0

const server = createServer(async (request, response) => {
  const url = request.url ?? ''
  if (url === '/stats') return void response.end(JSON.stringify({ sent, gets }))
  if (url === '/v2/') return void response.end('{}')
  const isManifest = url.startsWith('/v2/library/app/manifests/')
  const bytes = isManifest ? manifest.bytes : blobs.get(url)
  if (bytes === undefined) return void response.writeHead(404).end()
  const digest = isManifest ? manifest.digest : url.slice(url.lastIndexOf('/') + 1)
  const type = isManifest ? OCI_MANIFEST : 'application/octet-stream'
  const headers = { 'Content-Type': type, 'Docker-Content-Digest': digest, 'Accept-Ranges': 'bytes' }
  const range = parseRange(request.headers.range, bytes.length)
  const [start, end] = typeof range === 'string' ? [0, bytes.length] : [range.start, range.end + 1]
  response.writeHead(typeof range === 'string' ? 200 : 206, {
    ...headers,
    'Content-Length': end - start,
    ...(typeof range !== 'string' && { 'Content-Range': `bytes ${start}-${end - 1}/${bytes.length}` }),
  })
  if (request.method === 'HEAD') return void response.end()
  if (!isManifest) gets += 1
  await send(response, bytes.subarray(start, end))
})

async function send(response: ServerResponse, bytes: Buffer): Promise<void> {
  const limit = Number(rate)
  const piece = limit === 0 ? 1024 * 1024 : Math.ceil(limit / 50)
  const begun = performance.now()
  for (let at = 0; at < bytes.length && !response.destroyed; at += piece) {
    const chunk = bytes.subarray(at, at + piece)
    await new Promise<unknown>((resolve) => {
      response.once('close', resolve)
      response.write(chunk, (error) => {
        response.off('close', resolve)
        resolve(error)
      })
    })
    sent += chunk.length
    const ahead = limit === 0 ? 0 : ((at + piece) / limit) * 1000 - (performance.now() - begun)
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead))
  }
  response.end()
}

const sockets = new Set<Socket>()
server.on('connection', (socket: Socket) => {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
// Nothing else keeps the process while it does as if it were gone.
setInterval(() => {}, 60_000)
process.on('SIGUSR2', () => {
  if (!server.listening) return void server.listen(port, '127.0.0.1')
  server.close()
  for (const socket of sockets) socket.resetAndDestroy()
})
process.stdout.write(
  `${JSON.stringify({
    port,
    large: large.digest,
    small: small.digest,
    manifest: manifest.digest,
    size: large.bytes.length,
  })}\n`,
)
