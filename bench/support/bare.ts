/**
 * What any Node server can reach on this machine with small answers: `node bare.ts <file>` answers each path of the file with its
 * headers and bytes, and does nothing else. Says its port as a line of JSON.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Answer {
  readonly headers: Record<string, string>
  readonly body: string
}

const answers = Object.entries(
  JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Record<string, Answer>,
)
const byPath = new Map(
  answers.map(([path, { headers, body }]) => {
    // Node's own.
    const { date: _, connection: __, 'keep-alive': ___, ...own } = headers
    return [path, { headers: own, body: Buffer.from(body, 'base64').toString('latin1') }]
  }),
)

const server = createServer((request, response) => {
  const answer = byPath.get(request.url ?? '')
  if (answer === undefined) return void response.writeHead(404).end()
  response.writeHead(200, answer.headers).end(answer.body, 'latin1')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
