/** Events in words, as the dashboard and its stream tell them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventSentence } from '../../src/admin/events/event-sentence.ts'
import { type EventFields, eventHub, type EventType } from '../../src/observe/events.ts'

const one = `sha256:${'a'.repeat(64)}`
const two = `sha256:${'b'.repeat(64)}`

const SENTENCES: { readonly [T in EventType]: readonly (readonly [EventFields[T], string])[] } = {
  'upstream.down': [
    [
      { upstream: 'ghcr.io', state: 'out', said: 'accepts connections and does not answer: it hangs' },
      'ghcr.io accepts connections and does not answer: it hangs; it gets no requests',
    ],
  ],
  'upstream.up': [[{ upstream: 'ghcr.io', seconds: 75 }, 'ghcr.io is back after 1 min']],
  'credentials.refused': [
    [
      { upstream: 'ghcr.io', said: 'refuses the configured credentials' },
      'ghcr.io refuses the configured credentials',
    ],
  ],
  'credentials.accepted': [[{ upstream: 'ghcr.io' }, 'ghcr.io accepts the configured credentials again']],
  'limit.low': [
    [
      { upstream: 'docker.io', remaining: 9, limit: 100 },
      'docker.io leaves 9 of 100 requests until its limit',
    ],
    [
      { upstream: 'docker.io', remaining: 9, limit: undefined },
      'docker.io leaves 9 requests until its limit',
    ],
  ],
  'limit.restored': [
    [{ upstream: 'docker.io', remaining: 90, limit: 100 }, 'docker.io allows 90 of 100 requests again'],
  ],
  'store.failing': [
    [
      { operation: 'write', said: 'the store reports errors' },
      'the store reports errors; pulls pass through',
    ],
  ],
  'store.recovered': [[{ seconds: 4 }, 'the store works again after 4.0 s']],
  'image.stored': [
    [{ image: 'docker.io/library/app:1', digest: one }, 'docker.io/library/app:1 is stored (aaaaaaaaaaaa)'],
  ],
  'image.evicted': [
    [
      { image: 'docker.io/library/app:1', digest: one, reason: 'quota' },
      'docker.io/library/app:1 was evicted (aaaaaaaaaaaa, quota)',
    ],
  ],
  quota: [[{ said: 'the store is full' }, 'the store is full']],
  'tag.moved': [
    [
      { image: 'docker.io/library/app:1', from: one, to: two },
      'docker.io/library/app:1 moved from aaaaaaaaaaaa to bbbbbbbbbbbb',
    ],
  ],
}

for (const [type, cases] of Object.entries(SENTENCES)) {
  test(type, () => {
    for (const [fields, sentence] of cases) {
      const hub = eventHub(() => 0)
      hub.emit(type as EventType, fields)
      assert.equal(eventSentence(hub.since(0)[0]!), sentence)
    }
  })
}

test('what has no sentence of its own is told by its fields', () => {
  const event = { id: 1, at: 0, type: 'something.new', upstream: 'ghcr.io', count: 3 }
  assert.equal(eventSentence(event), 'something.new ghcr.io 3')
})
