/** A receiver of webhooks on a real socket. It verifies signatures as https://www.standardwebhooks.com tells. */
import assert from 'node:assert/strict'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly id: string
  /** Epoch seconds. */
  readonly timestamp: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly isGenuine: boolean
}

/** Answers one message: a status, or whatever else a receiver may do. */
export type Behaviour = (count: number, outgoing: ServerResponse) => number | 'hang' | 'reset' | void

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string
  readonly received: readonly Received[]
  /** Requests that are being answered, and the most of them at one time. */
  readonly open: { readonly now: number; readonly most: number }
  behave(behaviour: Behaviour): void
}

export async function webhookReceiver(secret: string): Promise<WebhookReceiver> {
  const received: Received[] = []
  const open = { now: 0, most: 0 }
  let behave: Behaviour = () => 204
  const server = createServer(async (incoming, outgoing) => {
    open.now += 1
    open.most = Math.max(open.most, open.now)
    outgoing.once('close', () => (open.now -= 1))
    const body = await bodyOf(incoming)
    received.push(messageOf(incoming, body, secret))
    const answer = behave(received.length, outgoing)
    if (answer === 'reset') incoming.socket.resetAndDestroy()
    else if (typeof answer === 'number') outgoing.writeHead(answer).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    open,
    behave: (behaviour) => void (behave = behaviour),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function messageOf({ method, headers }: IncomingMessage, body: string, secret: string): Received {
  assert.equal(method, 'POST')
  assert.equal(headers['content-type'], 'application/json')
  const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) =>
    String(headers[`webhook-${name}`]),
  )
  const expected = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest()
  const given = Buffer.from(signature!.replace(/^v1,/, ''), 'base64')
  const { type, data } = JSON.parse(body) as Pick<Received, 'type' | 'data'>
  return {
    id: id!,
    timestamp: Number(timestamp),
    type,
    data,
    isGenuine: given.length === expected.length && timingSafeEqual(given, expected),
  }
}
