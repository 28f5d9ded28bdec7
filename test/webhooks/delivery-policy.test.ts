import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Attempt, judge, waitAfter } from '../../src/webhooks/delivery-policy.ts'
import { EventQueue } from '../../src/webhooks/event-queue.ts'
import { signatureHeaders } from '../../src/webhooks/signature.ts'

test('an answer that a retry would not change is final', () => {
  const of = (attempt: Attempt) => judge(attempt)
  for (const status of [200, 202, 204]) assert.equal(of({ status }), 'delivered', String(status))
  for (const status of [301, 308, 400, 401, 404, 410]) assert.equal(of({ status }), 'refused', String(status))
  for (const status of [408, 425, 429, 500, 502, 503]) assert.equal(of({ status }), 'failed', String(status))
  assert.equal(of({ reason: 'ECONNREFUSED' }), 'failed')
  assert.equal(of({ reason: 'PRIVATE_ADDRESS' }), 'refused')
})

test('the wait doubles up to five minutes, is spread, and Retry-After holds up to there', () => {
  const failed = { reason: 'ECONNREFUSED' }
  const most = Array.from({ length: 12 }, (_, i) => waitAfter(failed, i + 1, 1) / 1000)
  assert.deepEqual(most, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
  assert.deepEqual([waitAfter(failed, 1, 0), waitAfter(failed, 2, 0)], [500, 1000])
  assert.equal(waitAfter({ status: 429, retryAfter: 60_000 }, 1, 0), 60_000)
  assert.equal(waitAfter({ status: 503, retryAfter: 9e9 }, 1, 0), 300_000)
})

test('a full queue drops the oldest that is not on its way, by count and by bytes', () => {
  const queue = new EventQueue({ events: 3, bytes: 10 })
  const add = (id: string, body: string) => queue.add({ id, body })
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => add(id, '1')),
    [0, 0, 0],
  )
  assert.equal(add('d', '1'), 1)
  assert.equal(queue.first?.id, 'a')
  assert.equal(add('e', '12345678'), 1, 'by bytes')
  assert.equal(queue.bytes, 10)
  assert.equal(add('f', '1'.repeat(11)), 3, 'one that never fits goes with the others')
  queue.shift()
  assert.deepEqual([queue.length, queue.bytes], [0, 0])
})

test('the signature is the one of the standard', () => {
  // The example of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
  const headers = signatureHeaders('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  })
  assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})
