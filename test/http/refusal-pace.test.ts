import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RefusalPace } from '../../src/http/refusal-pace.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { serveRegistry } from '../support/registry-server.ts'

suite('SEC-80: a client that is refused again and again is answered at a pace', () => {
  test('those of a second come at once, as many follow in each second, and none waits for long', () => {
    const pace = new RefusalPace(4)
    const delays = (times: number, now: number) =>
      Array.from({ length: times }, () => pace.delay('10.0.0.1', 1, now))
    assert.deepEqual(delays(6, 60_000), [0, 0, 0, 0, 250, 500])
    assert.deepEqual(delays(1, 60_250), [500])
    assert.equal(delays(100, 60_250).filter((delay) => delay === undefined).length, 94)
    assert.equal(pace.boundedDelay('10.0.0.2'), 0)
    assert.deepEqual(delays(1, 70_000), [0])
  })

  test('nobody waits for the refusals of another client, whose addresses are one /64', () => {
    const pace = new RefusalPace(8)
    for (let i = 0; i < 20; i++) pace.delay(`2001:db8::${i}`, 1, 0)
    assert.equal(pace.delay('2001:db8::ffff', 1, 0), 1625)
    assert.equal(pace.delay('2001:db8:0:1::1', 1, 0), 0)
  })

  test('what has to wait is answered as it would have been at once, and nothing else waits', async () => {
    const registry = new MemoryRegistry()
    const digest = registry.addBlob(Buffer.from('content'))
    const absent = digestOf(Buffer.from('absent'))
    registry.overrides = {
      manifests: { get: () => Promise.reject(new RegistryError('TOOMANYREQUESTS', { queueLength: 1 })) },
    }
    await using server = await serveRegistry(registry)
    const base = `${server.url}/v2/library/app`
    const began = performance.now()
    const refused = Array.from({ length: 12 }, async () => {
      const response = await fetch(`${base}/manifests/${digest}`)
      const body = (await response.json()) as { errors: { code: string }[] }
      const { status, headers } = response
      const ms = performance.now() - began
      return { status, code: body.errors[0]!.code, retryAfter: headers.get('retry-after'), ms }
    })
    await Promise.race(refused)
    assert.equal(await (await fetch(`${base}/blobs/${digest}`)).text(), 'content')
    assert.equal((await fetch(`${base}/blobs/${absent}`)).status, 404)
    const answers = await Promise.all(refused)
    for (const { status, code, retryAfter } of answers) {
      assert.deepEqual([status, code, retryAfter], [429, 'TOOMANYREQUESTS', '3'])
    }
    assert.ok(answers.some(({ ms }) => ms >= 490))
    assert.equal(server.lines.filter(({ status }) => status === 429).length, 12)
  })
})
