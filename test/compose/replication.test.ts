import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { buildReplication } from '../../src/compose/replication.ts'
import { eventHub } from '../../src/observe/events.ts'
import type { Push } from '../../src/ports/moving/push.ts'
import { load } from '../config/folder.ts'
import { eventually } from '../support/fixtures.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const rule = (host: string) => `{ images: ["org/*"], to: ${host}, username: ci, password: secret }`

test('after a reload rules that are the same go on, new ones begin, and those that are gone end', async (t) => {
  const pushes: string[] = []
  const push: Push = async ({ images, to }) => {
    pushes.push(`${new URL(to.url).host} ${images.map(({ text }) => text).join()}`)
    return { images: 0, pushed: 0, unchanged: 0, failed: 0, notTried: 0, sent: 0, mounted: 0, seconds: 0 }
  }
  const events = eventHub(Date.now)
  const config = (...hosts: readonly string[]) => load(t, `replicate: [${hosts.map(rule).join(', ')}]`)
  await using replication = buildReplication(await config('a.example', 'b.example'), {
    push,
    jobs: { run: (_, task) => task({ id: '1', signal: new AbortController().signal, say() {} }) },
    events,
    shared: undefined,
    now: Date.now,
    log: pino({ level: 'silent' }),
  })
  const all = (host: string) => `${host} docker.io/org/*`
  await eventually(() => pushes.length === 2, 20_000)
  assert.deepEqual(pushes.toSorted(), [all('a.example'), all('b.example')])

  replication.configure(await config('b.example', 'c.example'))
  await eventually(() => pushes.length === 3, 20_000)
  assert.equal(pushes[2], all('c.example'))

  events.emit('image.stored', { image: 'docker.io/org/app:1', digest: DIGEST })
  events.emit('image.stored', { image: 'docker.io/other/app:1', digest: DIGEST })
  events.emit('tag.moved', { image: 'docker.io/org/app:2', from: DIGEST, to: DIGEST })
  await eventually(() => pushes.length === 5, 20_000)
  assert.deepEqual(pushes.slice(3).toSorted(), [
    'b.example docker.io/org/app:1,docker.io/org/app:2',
    'c.example docker.io/org/app:1,docker.io/org/app:2',
  ])
})

test('after a reload that gives an alias to another upstream, a rule that is written the same follows it', async (t) => {
  const pushes: string[] = []
  const push: Push = async ({ images }) => {
    pushes.push(images.map(({ text }) => text).join())
    return { images: 0, pushed: 0, unchanged: 0, failed: 0, notTried: 0, sent: 0, mounted: 0, seconds: 0 }
  }
  const config = (upstream: string, other = '') =>
    load(t, `upstreams: { ${upstream}: { aliases: [org] }${other} }\nreplicate: [${rule('a.example')}]`)
  await using replication = buildReplication(await config('ghcr.io'), {
    push,
    jobs: { run: (_, task) => task({ id: '1', signal: new AbortController().signal, say() {} }) },
    events: eventHub(Date.now),
    shared: undefined,
    now: Date.now,
    log: pino({ level: 'silent' }),
  })
  await eventually(() => pushes.length === 1, 20_000)
  // No part of the rule.
  replication.configure(await config('ghcr.io', ', more.example: {}'))
  replication.configure(await config('quay.io'))
  await eventually(() => pushes.length === 2, 20_000)
  assert.deepEqual(pushes, ['ghcr.io/*', 'quay.io/*'])
})
