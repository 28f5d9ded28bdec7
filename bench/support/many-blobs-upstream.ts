/** A registry of `manyBlobs`, in a process of its own: `node many-blobs-upstream.ts <bytes in all>`. Says its port as a line of JSON. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseRange } from '../../src/http/headers/range.ts'
import { manyBlobs } from './many-blobs.ts'

const { digests, sizes, piecesOf } = manyBlobs(Number(process.argv[2]))
const numbers = new Map(digests.map((digest, number) => [`/v2/library/app/blobs/${digest}`, number]))

const server = createServer((request, response) => {
  const number = numbers.get(request.url ?? '')
  if (number === undefined) return void response.writeHead(request.url === '/v2/' ? 200 : 404).end()
  const size = sizes[number]!
  const range = parseRange(request.headers.range, size)
  const isPart = typeof range !== 'string'
  const [start, end] = isPart ? [range.start, range.end + 1] : [0, size]
  response.writeHead(isPart ? 206 : 200, {
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    'Content-Length': end - start,
    ...(isPart && { 'Content-Range': `bytes ${start}-${end - 1}/${size}` }),
  })
  if (request.method === 'HEAD') return void response.end()
  response.end(Buffer.concat(piecesOf(number)).subarray(start, end))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
