/**
 * A registry of blobs of one size, in a process of its own: `node numbered-blobs-upstream.ts <count> <bytes> [<bytes after which it stalls>]`.
 * Says its port and their digests as a line of JSON. A number and what they have in common is in each, so that gigabytes of
 * them are no memory.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseRange } from '../../src/http/headers/range.ts'
import { blobOf } from '../../test/support/fixtures.ts'

const HEADER = 16
const PIECE = 1024 * 1024
const [count = 0, size = 0, stallsAfter = Infinity] = process.argv.slice(2).map(Number)
const common = blobOf(size - HEADER).bytes
const headers = Array.from({ length: count }, (_, number) => {
  const header = Buffer.alloc(HEADER)
  header.writeUInt32LE(number)
  return header
})
const digests = headers.map((header) => {
  const hash = createHash('sha256').update(header).update(common)
  return `sha256:${hash.digest('hex')}`
})
const numbers = new Map(digests.map((digest, number) => [`/v2/library/app/blobs/${digest}`, number]))
let sent = 0
let requests = 0
let running = 0

const server = createServer(async (request, response) => {
  if (request.url === '/stats') return void response.end(JSON.stringify({ sent, requests, running }))
  const number = numbers.get(request.url ?? '')
  if (number === undefined) return void response.writeHead(request.url === '/v2/' ? 200 : 404).end()
  requests += 1
  running += 1
  response.once('close', () => (running -= 1))
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
  if (stallsAfter < end) return void response.write(Buffer.concat([...pieces(number, start, stallsAfter)]))
  await pipeline(Readable.from(pieces(number, start, end)), response).catch(ignoreLost)
})

function* pieces(number: number, start: number, end: number) {
  for (let at = start; at < end;) {
    const piece =
      at < HEADER
        ? headers[number]!.subarray(at, end)
        : common.subarray(at - HEADER, Math.min(at + PIECE, end) - HEADER)
    at += piece.length
    sent += piece.length
    yield piece
  }
}

/** A client that has enough. */
function ignoreLost(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
}

server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port, digests })}\n`)
