/** One webhook against receivers that fail, hang, are slow, redirect, or are where they must not be. */
import assert from 'node:assert/strict'
import type { LookupFunction } from 'node:net'
import { suite, test } from 'node:test'
import { httpPost, type HttpPostOptions } from '../../src/webhooks/http-post.ts'
import { Webhook, type WebhookOptions } from '../../src/webhooks/webhook.ts'
import { eventually } from '../support/fixtures.ts'
import { webhookReceiver } from '../support/webhook-receiver.ts'

const SECRET = 'a-secret-of-16-characters'

function open(url: string, options: Partial<WebhookOptions & HttpPostOptions> = {}) {
  const troubles: (string | undefined)[] = []
  const results: string[] = []
  const { post, close } = httpPost({
    url: new URL(url),
    allowPrivate: undefined,
    ownPorts: () => [],
    trust: { context: async () => undefined },
    proxyFor: () => undefined,
    userAgent: 'entrepot/test',
    ...options,
  })
  const webhook = new Webhook({
    name: 'events[0] test',
    key: 'events[0]',
    secret: () => SECRET,
    post,
    close,
    telemetry: { event: (_, result) => void results.push(result), queued() {} },
    changed: (trouble) => void troubles.push(trouble?.said),
    now: Date.now,
    random: () => 0,
    timeout: 300,
    ...options,
  })
  const send = (...ids: readonly string[]) => {
    for (const id of ids) webhook.add(id, JSON.stringify({ type: 'quota', data: { id } }))
  }
  return { webhook, send, troubles, results, [Symbol.asyncDispose]: () => webhook[Symbol.asyncDispose]() }
}

suite('a webhook', { concurrency: true }, () => {
  test('one that fails gets the same event again, signed anew, and then the others in their order', async () => {
    await using receiver = await webhookReceiver(SECRET)
    await using hook = open(receiver.url)
    receiver.behave((count) => [500, 'reset' as const][count - 1] ?? 204)
    hook.send('a', 'b', 'c')
    await eventually(() => hook.webhook.report.delivered === 3, 20_000)
    assert.deepEqual(
      receiver.received.map(({ id }) => id),
      ['a', 'a', 'a', 'b', 'c'],
    )
    assert.ok(receiver.received.every(({ isGenuine }) => isGenuine))
    assert.ok(receiver.received[2]!.timestamp > receiver.received[0]!.timestamp, 'the time of the attempt')
    assert.deepEqual(hook.troubles, ['answered 500', undefined], 'told once, and once that it works again')
    assert.equal(receiver.open.most, 1, 'one at a time')
  })

  test('one that hangs is left at the deadline; nobody waits for it, and what waits is bounded', async () => {
    await using receiver = await webhookReceiver(SECRET)
    await using hook = open(receiver.url, { limits: { events: 10, bytes: 1e6 } })
    receiver.behave(() => 'hang')
    const began = performance.now()
    hook.send(...Array.from({ length: 10_000 }, (_, i) => `e${i}`))
    const took = performance.now() - began
    assert.ok(took < 1_000, `10,000 events took their sender ${took} ms`)
    const { queued, dropped } = hook.webhook.report
    assert.deepEqual([queued, dropped], [10, 9_990])
    await eventually(() => hook.troubles.length > 0, 20_000)
    assert.deepEqual(hook.troubles, ['did not answer within 10 s'])
    await eventually(() => receiver.open.now <= 1)
    receiver.behave(() => 200)
    await eventually(() => hook.webhook.report.queued === 0, 20_000)
    const ids = new Set(receiver.received.map(({ id }) => id))
    assert.deepEqual([...ids], ['e0', ...Array.from({ length: 9 }, (_, i) => `e${9_991 + i}`)], 'the newest')
  })

  test('one that is slow gets them one after another', async () => {
    await using receiver = await webhookReceiver(SECRET)
    await using hook = open(receiver.url, { timeout: 10_000 })
    receiver.behave((_, outgoing) => void setTimeout(() => outgoing.writeHead(200).end('ok'), 50))
    hook.send('a', 'b', 'c', 'd')
    await eventually(() => hook.webhook.report.delivered === 4, 20_000)
    assert.equal(receiver.open.most, 1)
  })

  test('an answer whose body never ends is an answer', async () => {
    await using receiver = await webhookReceiver(SECRET)
    await using hook = open(receiver.url)
    receiver.behave((_, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': 1_000_000 }).write('some')
    })
    hook.send('a', 'b')
    await eventually(() => hook.webhook.report.delivered === 2, 20_000)
  })

  test('SEC-75: a redirect is not followed', async () => {
    await using elsewhere = await webhookReceiver(SECRET)
    await using receiver = await webhookReceiver(SECRET)
    await using hook = open(receiver.url)
    receiver.behave((_, outgoing) => void outgoing.writeHead(307, { Location: elsewhere.url }).end())
    hook.send('a')
    await eventually(() => hook.webhook.report.refused === 1)
    assert.equal(hook.webhook.report.said, 'answered 307, a redirect, which is not followed')
    assert.equal(elsewhere.received.length, 0)
    assert.equal(receiver.received.length, 1, 'and not tried again')
  })

  const privately: LookupFunction = (_, options, callback) => {
    const found = [{ address: '127.0.0.1', family: 4 }]
    if (options.all) callback(null, found)
    else callback(null, found[0]!.address, 4)
  }

  test('SEC-04: a name that leads to a private address needs allowPrivate', async () => {
    await using receiver = await webhookReceiver(SECRET)
    const url = receiver.url.replace('127.0.0.1', 'hooks.example')
    await using refused = open(url, { lookup: privately })
    refused.send('a')
    await eventually(() => refused.webhook.report.refused === 1)
    assert.equal(refused.webhook.report.said, 'leads to a private address, or to this proxy itself')
    assert.equal(refused.webhook.report.advice, 'set events[0].allowPrivate: true if it is meant')
    assert.equal(receiver.received.length, 0)
    await using allowed = open(url, { lookup: privately, allowPrivate: true })
    allowed.send('a')
    await eventually(() => allowed.webhook.report.delivered === 1)
  })

  test('SEC-75: no webhook reaches a metadata service, or a listener of this process', async () => {
    await using receiver = await webhookReceiver(SECRET)
    const port = Number(new URL(receiver.url).port)
    await using metadata = open('http://169.254.169.254/', { allowPrivate: true })
    await using own = open(receiver.url, { ownPorts: () => [port] })
    for (const hook of [metadata, own]) {
      hook.send('a')
      await eventually(() => hook.webhook.report.refused === 1)
    }
    assert.equal(receiver.received.length, 0)
  })

  test('a process that ends tries once what is left, and waits for nobody', async () => {
    await using receiver = await webhookReceiver(SECRET)
    const gone = open('http://127.0.0.1:1/')
    gone.send('a', 'b')
    await eventually(() => gone.troubles.length > 0)
    const left = open(receiver.url)
    left.send('a', 'b', 'c')
    const began = performance.now()
    await Promise.all([gone, left].map(({ webhook }) => webhook[Symbol.asyncDispose]()))
    assert.ok(performance.now() - began < 5_000)
    assert.equal(left.webhook.report.delivered, 3)
    assert.deepEqual(gone.results, ['dropped', 'dropped'])
  })
})
