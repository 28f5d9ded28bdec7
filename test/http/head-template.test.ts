/** The heads that are made from a template are those that Node would write. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { Exchange } from '../../src/http/exchange.ts'
import { KeptHeaders } from '../../src/http/headers/head-template.ts'
import { httpDates } from '../../src/http/headers/http-date.ts'
import { send, sendContent } from '../../src/http/send.ts'

const BODY = Buffer.from('{"some":"content"}')
const LIST = ['Content-Type', 'application/json', 'ETag', '"sha256:00"']

const settings: Record<string, (exchange: Exchange) => void> = {
  hit: (it) => (it.cacheStatus = { result: 'hit' }),
  fresh: (it) => (it.cacheStatus = { result: 'hit', ttl: 41 }),
  namespace: (it) => (it.namespace = 'ghcr.io'),
  warning: (it) => (it.warning = 'served from the cache, 3 s past its freshness'),
  closing: (it) => void it.outgoing.setHeader('Connection', 'close'),
}

/** `GET /kept/hit`, `GET /plain/hit` … */
const server = createServer((incoming, outgoing) =>
  answer(incoming.url!, new Exchange(incoming, outgoing, 'an-id')),
)
server.on('checkContinue', (incoming, outgoing: ServerResponse) =>
  answer(incoming.url!, new Exchange(incoming, outgoing, 'an-id')),
)
let kept = new KeptHeaders([])

function answer(url: string, exchange: Exchange): void {
  const [, how, setting] = url.split('/')
  settings[setting!]!(exchange)
  if (how === 'kept') sendContent(exchange, kept, BODY)
  else send(exchange, 200, LIST, BODY)
}

/** Everything that is answered until the connection ends, without the dates, which it checks. */
async function exchangeText(text: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let answered = ''
  socket.setEncoding('latin1').on('data', (chunk) => (answered += chunk))
  socket.end(text, 'latin1')
  await once(socket, 'close')
  return answered.replaceAll(/^Date: (.*)\r$/gm, (_, date: string) => {
    assert.equal(new Date(date).toUTCString(), date)
    assert.ok(Math.abs(Date.parse(date) - Date.now()) < 60_000)
    return 'Date: now\r'
  })
}

describe('a template', () => {
  before(() => once(server.listen(0, '127.0.0.1'), 'listening'))
  after(() => server.close())

  const requests = {
    GET: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    HEAD: 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET that closes': 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    'GET of HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
    'GET of HTTP/1.0 that keeps the connection': 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    'GET that expects': 'GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n',
  }
  for (const [what, request] of Object.entries(requests)) {
    test(`is not noticed by ${what}, whatever came before`, async () => {
      const at = (path: string) => request.replace(' / ', ` ${path} `)
      for (const first of Object.keys(settings)) {
        kept = new KeptHeaders([...LIST, 'Content-Length', String(BODY.length)])
        await exchangeText(`GET /kept/${first} HTTP/1.1\r\nHost: x\r\n\r\n`)
        for (const setting of [...Object.keys(settings), ...Object.keys(settings)]) {
          const wanted = await exchangeText(at(`/plain/${setting}`))
          assert.match(wanted, /^HTTP\/1\.1 200 OK\r\n[^]*\r\nDate: now\r\n/)
          assert.equal(await exchangeText(at(`/kept/${setting}`)), wanted, `${setting} after ${first}`)
        }
      }
    })
  }

  test('is used: a further head is not written by Node', async () => {
    kept = new KeptHeaders([...LIST, 'Content-Length', String(BODY.length)])
    const before = await exchangeText('GET /kept/hit HTTP/1.1\r\nHost: x\r\n\r\n')
    // Node would refuse it.
    ;(kept.list as string[])[0] = 'not a name'
    assert.equal(await exchangeText('GET /kept/hit HTTP/1.1\r\nHost: x\r\n\r\n'), before)
  })
})

test('the date is that of its second, also after the clock was set back', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_500 })
  const date = httpDates()
  for (const now of [500, 999, 1000, 1001, 90_000, 89_999, 0, -5000]) {
    t.mock.timers.setTime(1_800_000_000_000 + now)
    assert.equal(date(), new Date(1_800_000_000_000 + now).toUTCString())
  }
})
