import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { suite, test } from 'node:test'
import { AnswerRoom } from '../../src/http/answer-room.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { eventually } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { serveRegistry } from '../support/registry-server.ts'

const MiB = 1024 * 1024

/** An answer whose client takes nothing, as the room sees it. */
function answerOf(owner: string, isHead = false) {
  const outgoing: unknown = new PassThrough()
  return { owner, isHead, outgoing: outgoing as ServerResponse }
}

const body = (mebibytes: number): Buffer => Buffer.allocUnsafeSlow(mebibytes * MiB)

suite('SEC-71: long answers in memory have room together', () => {
  test('the same memory takes room once, however many are sent from it', () => {
    const room = new AnswerRoom()
    const list = body(12)
    for (let i = 0; i < 1_000; i++) assert.equal(room.admit(answerOf('a'), list), undefined)
    for (let i = 0; i < 5; i++) assert.equal(room.admit(answerOf('a'), body(4)), undefined)
  })

  test('who joins pays when the first has gone, and those that wait for the same count once', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const room = new AnswerRoom(() => 0)
    const shared = Array.from({ length: 2 }, () => body(16))
    const first = shared.map((list) => {
      const answer = answerOf('a')
      assert.equal(room.admit(answer, list), undefined)
      assert.equal(room.admit(answerOf('b'), list), undefined)
      return answer
    })
    const list = body(8)
    const waiting = Array.from({ length: 10 }, () => room.admit(answerOf('a'), list))
    for (const answer of first) {
      answer.outgoing.destroy()
      await once(answer.outgoing, 'close')
    }
    assert.equal(room.admit(answerOf('a'), body(8)), undefined, 'a has nothing any more')
    const page = room.admit(answerOf('b'), body(16).subarray(0, 100_000))
    assert.ok(page instanceof Promise, 'a page counts as the list that it keeps')
    t.mock.timers.tick(10_000)
    await Promise.allSettled([...waiting, page])
  })

  test('one client has two thirds of it; others have the rest', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const room = new AnswerRoom(() => 0)
    const first = Array.from({ length: 8 }, () => answerOf('a'))
    for (const answer of first) assert.equal(room.admit(answer, body(4)), undefined)
    const waits = room.admit(answerOf('a'), body(4))
    assert.ok(waits instanceof Promise)
    for (let i = 0; i < 4; i++) assert.equal(room.admit(answerOf('b'), body(4)), undefined)
    assert.equal(room.admit(answerOf('c'), body(4)), undefined, 'who has nothing has room beyond that')
    // Short ones, and those without a body, need none.
    assert.equal(room.admit(answerOf('c'), Buffer.alloc(60_000)), undefined)
    assert.equal(room.admit(answerOf('c', true), body(4)), undefined)
    for (const { outgoing } of first.slice(0, 2)) outgoing.destroy()
    await waits
  })

  test('who waits gets an error after ten seconds, and when too many wait at once', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const room = new AnswerRoom(() => 0)
    for (let i = 0; i < 2; i++) assert.equal(room.admit(answerOf('a'), body(16)), undefined)
    const waiting = Array.from({ length: 2 }, () => room.admit(answerOf('a'), body(4)))
    assert.throws(() => room.admit(answerOf('a'), body(4)), { code: 'TOOMANYREQUESTS' })
    t.mock.timers.tick(10_000)
    for (const wait of waiting) await assert.rejects(wait!, { code: 'TOOMANYREQUESTS' })
  })

  test('those that are late are cut off for those that wait, and for nobody else', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let now = 0
    const room = new AnswerRoom(() => now)
    const late = Array.from({ length: 8 }, () => answerOf('a'))
    for (const answer of late) room.admit(answer, body(4))
    now = 73_000
    const waits = room.admit(answerOf('a'), body(4))
    assert.ok(waits instanceof Promise)
    now = 75_000
    assert.ok(late.every(({ outgoing }) => !outgoing.destroyed))
    t.mock.timers.tick(500)
    await waits
    assert.ok(late.every(({ outgoing }) => outgoing.destroyed))
  })

  test('clients that take nothing of many manifests are refused more, and another client has its own', async () => {
    const registry = new MemoryRegistry()
    registry.overrides = {
      manifests: {
        async get(digest) {
          return { body: body(16), descriptor: { mediaType: OCI_MANIFEST, digest, size: 16 * MiB } }
        },
      },
    }
    await using server = await serveRegistry(registry)
    const statuses: number[] = []
    const ask = (n: number, localAddress: string) => {
      const path = `/v2/library/app/manifests/${digestOf(Buffer.from(`${n}`))}`
      const request = get({ port: server.port, path, localAddress, agent: false })
      request.on('error', () => {}).on('response', ({ statusCode }) => statuses.push(statusCode!))
      return request
    }
    const held = Array.from({ length: 20 }, (_, n) => ask(n, '127.0.0.66'))
    await eventually(() => statuses.length >= 16, 10_000)
    assert.deepEqual([statuses.filter((status) => status === 200).length, statuses.includes(429)], [2, true])
    const [response] = (await once(ask(100, '127.0.0.1'), 'response')) as [IncomingMessage]
    let bytes = 0
    for await (const piece of response as AsyncIterable<Buffer>) bytes += piece.length
    assert.equal(bytes, 16 * MiB)
    for (const request of held) request.destroy()
  })
})
