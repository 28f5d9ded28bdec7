import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { cidrList, LOOPBACK } from '../../src/util/cidr.ts'
import { adminAccess } from '../../src/admin/admin-access.ts'
import { call, RawClient } from '../support/raw-client.ts'

const TOKEN = 'a-token-of-the-operator'
let token: string | undefined
let isLocal = true
let isServed = true
let asked = 0
let server: Server
let port: number

before(async () => {
  const letIn = adminAccess({
    isLocal: (address) => isLocal && cidrList(LOOPBACK)(address),
    isServed: () => isServed,
    hosts: ['entrepot.example.org'],
    token: () => token,
  })
  server = createServer(letIn((_incoming, outgoing) => void (asked++, outgoing.end('done'))))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
after(() => server.close())

const JSON_TYPE = 'Content-Type: application/json'
const BEARER = `Authorization: Bearer ${TOKEN}`

interface Case {
  readonly method?: string
  readonly headers?: readonly string[]
  readonly local?: boolean
  readonly served?: boolean
  readonly token?: string
  readonly status: number
}

const CASES: Readonly<Record<string, Case>> = {
  'reading from the machine itself': { status: 200 },
  'reading from a network that is served': { local: false, status: 200 },
  'reading from a network that is not': { local: false, served: false, status: 403 },
  'reading from the machine itself, which no network names': { served: false, status: 200 },
  'writing from the machine itself': { method: 'POST', headers: [JSON_TYPE], status: 200 },
  'writing as JSON in UTF-8': { method: 'POST', headers: [`${JSON_TYPE}; charset=utf-8`], status: 200 },
  'deleting from the machine itself': { method: 'DELETE', headers: [JSON_TYPE], status: 200 },
  'writing from elsewhere, where there is no token': {
    method: 'POST',
    headers: [JSON_TYPE],
    local: false,
    status: 403,
  },
  'writing from elsewhere without the token': {
    method: 'POST',
    headers: [JSON_TYPE],
    local: false,
    token: TOKEN,
    status: 401,
  },
  'writing from elsewhere with it': {
    method: 'POST',
    headers: [JSON_TYPE, BEARER],
    local: false,
    token: TOKEN,
    status: 200,
  },
  'writing from elsewhere with another': {
    method: 'POST',
    headers: [JSON_TYPE, `${BEARER}x`],
    local: false,
    token: TOKEN,
    status: 401,
  },
  'the token as a password': {
    method: 'POST',
    headers: [JSON_TYPE, `Authorization: Basic ${btoa(`x:${TOKEN}`)}`],
    local: false,
    token: TOKEN,
    status: 401,
  },
  'the token does not open what the networks close': {
    method: 'POST',
    headers: [JSON_TYPE, BEARER],
    local: false,
    served: false,
    token: TOKEN,
    status: 403,
  },
  'SEC-79: writing from the machine itself without the token that is configured': {
    method: 'POST',
    headers: [JSON_TYPE],
    token: TOKEN,
    status: 401,
  },
  'SEC-79: writing from the machine itself with the token': {
    method: 'POST',
    headers: [JSON_TYPE, BEARER],
    token: TOKEN,
    status: 200,
  },
  'writing through a proxy on this machine': {
    method: 'POST',
    headers: [JSON_TYPE, 'X-Forwarded-For: 203.0.113.9'],
    token: TOKEN,
    status: 401,
  },
  'writing through one that says so otherwise': {
    method: 'PUT',
    headers: [JSON_TYPE, 'Via: 1.1 proxy'],
    status: 403,
  },
  'a form of another site': { method: 'POST', headers: ['Content-Type: text/plain'], status: 415 },
  'a form without a type': { method: 'POST', status: 415 },
  'a type that only begins so': { method: 'POST', headers: ['Content-Type: application/jsonp'], status: 415 },
  'the page of another site': {
    method: 'POST',
    headers: [JSON_TYPE, 'Origin: https://evil.example'],
    status: 403,
  },
  'a page of nowhere': { method: 'POST', headers: [JSON_TYPE, 'Origin: null'], status: 403 },
  'another site, as the browser tells': {
    method: 'POST',
    headers: [JSON_TYPE, 'Sec-Fetch-Site: cross-site'],
    status: 403,
  },
  'a page on another port': {
    method: 'POST',
    headers: [JSON_TYPE, 'Sec-Fetch-Site: same-site'],
    status: 403,
  },
  'another site with the token': {
    method: 'POST',
    headers: [JSON_TYPE, BEARER, 'Sec-Fetch-Site: cross-site'],
    token: TOKEN,
    status: 403,
  },
  'its own page': {
    method: 'POST',
    headers: [JSON_TYPE, 'Origin: http://localhost', 'Sec-Fetch-Site: same-origin'],
    status: 200,
  },
}

for (const [
  name,
  { method = 'GET', headers = [], local = true, served = true, status, ...rest },
] of Object.entries(CASES)) {
  test(`${name}: ${status}`, async () => {
    isLocal = local
    isServed = served
    token = rest.token
    asked = 0
    const answer = await call(port, method, '/api/v1/anything', [...headers, 'Content-Length: 0'])
    assert.equal(answer.status, status)
    assert.equal(asked, status === 200 ? 1 : 0)
    if (status !== 200) assert.equal(typeof JSON.parse(answer.body.toString()).error, 'string')
    assert.equal(
      answer.headers['www-authenticate'],
      status === 401 ? 'Bearer realm="entrepot admin"' : undefined,
    )
  })
}

test('SEC-24, SEC-79, FR-48: the API has exact names, health and metrics have any', async () => {
  isLocal = isServed = true
  token = undefined
  const statusFor = async (host: string, line: string) => {
    using client = await RawClient.connect(port)
    const request = `${line} HTTP/1.1\r\nHost: ${host}\r\n${JSON_TYPE}\r\nConnection: close\r\n\r\n`
    return Number(/^HTTP\/1\.1 (\d+)/.exec((await client.send(request).rest()).toString())?.[1])
  }
  const api = ['GET /api/v1/images', 'POST /api/v1/purge', 'GET /', 'POST /metrics', 'GET /metrics/x']
  const probes = ['GET /healthz', 'GET /readyz', 'HEAD /metrics', 'GET /metrics?name[]=x']
  for (const host of [
    '127.0.0.1:5001',
    '10.1.2.3',
    '[::1]:5001',
    'localhost:5001',
    'LOCALHOST',
    'entrepot.example.org:5001',
  ]) {
    for (const line of [...api, ...probes]) assert.equal(await statusFor(host, line), 200, `${host} ${line}`)
  }
  for (const host of [
    'evil.example',
    'evil.example:5001',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'x.entrepot.example.org',
    'entrepot:5001',
    'cache.internal',
    'mac.local',
    'entrepot.default.svc',
    '',
  ]) {
    for (const line of api) assert.equal(await statusFor(host, line), 421, `${host} ${line}`)
    for (const line of probes) assert.equal(await statusFor(host, line), 200, `${host} ${line}`)
  }
})

test('SEC-77: a browser runs nothing of the admin listener, and guesses no type', async () => {
  isLocal = isServed = true
  for (const [method, status] of [
    ['GET', 200],
    ['POST', 415],
  ] as const) {
    const answer = await call(port, method, '/api/v1/anything', ['Content-Length: 0'])
    assert.equal(answer.status, status)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.match(answer.headers['content-security-policy']!, /^sandbox; default-src 'none'/)
  }
})
