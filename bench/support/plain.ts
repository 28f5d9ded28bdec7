/**
 * What any Node server can reach on this machine: one file over `node:http`, `node plain.ts <file>`. Two buffers an answer, the next
 * piece read while the last is written, and nothing else. Says its port as a line of JSON.
 */
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const PIECE = 512 * 1024
const file = await open(process.argv[2] ?? '')
const { size } = await file.stat()

const server = createServer(async (_, response) => {
  response.writeHead(200, { 'Content-Length': size })
  let [full, free] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)]
  let { bytesRead } = await file.read(full, 0, PIECE, 0)
  for (let at = bytesRead; bytesRead > 0; at += bytesRead) {
    const piece = full.subarray(0, bytesRead)
    const written = new Promise((resolve) => response.write(piece, resolve))
    ;[{ bytesRead }] = await Promise.all([file.read(free, 0, PIECE, at), written])
    ;[full, free] = [free, full]
  }
  response.end()
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
