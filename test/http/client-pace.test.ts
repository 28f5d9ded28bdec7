import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientPace } from '../../src/http/client-pace.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import { eventually } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { serveRegistry } from '../support/registry-server.ts'

suite('SEC-80: a client that leaves what upstream was asked for waits before it is asked again', () => {
  test('the wait begins with the second, counts nothing, and is of that client alone', () => {
    const pace = new ClientPace(4)
    for (let i = 0; i < 6; i++) pace.delay('10.0.0.1', 1, 60_000)
    assert.equal(pace.wait('10.0.0.1', 60_000), 500)
    assert.equal(pace.wait('10.0.0.1', 60_000), 500)
    assert.equal(pace.wait('10.0.0.1', 60_400), 100)
    assert.equal(pace.wait('10.0.0.1', 60_600), 0)
    assert.equal(pace.wait('10.0.0.2', 60_000), 0)
  })

  /** Blobs that upstream is asked for, of which the client gets so many bytes, and no more. */
  async function coldBlobs(bytes: number) {
    const registry = new MemoryRegistry()
    const digest = registry.addBlob(Buffer.alloc(1_000_000))
    const asked = { times: 0 }
    registry.overrides = {
      blobs: {
        stat: () => undefined,
        async open(digest, options) {
          await options?.beforeAsking?.()
          asked.times += 1
          return {
            descriptor: { mediaType: OCTET_STREAM, digest, size: 1_000_000 },
            read: async (buffer, position) => {
              if (position >= bytes) await once(options!.signal!, 'abort')
              return Math.min(buffer.length, bytes - position)
            },
            async [Symbol.asyncDispose]() {},
          }
        },
      },
    }
    const server = await serveRegistry(registry)
    /** Leaves when that many bytes of the body have come, or at once when upstream was asked. */
    const leave = async (localAddress: string): Promise<void> => {
      const before = asked.times
      const request = get({
        port: server.port,
        localAddress,
        agent: false,
        path: `/v2/library/app/blobs/${digest}`,
      })
      request.on('error', () => {})
      if (bytes === 0) {
        await Promise.race([eventually(() => asked.times > before, 60_000), delay(50)])
      } else {
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        let taken = 0
        for await (const chunk of response as AsyncIterable<Buffer>)
          if ((taken += chunk.length) >= bytes) break
      }
      const closed = new Promise((resolve) => request.once('close', resolve))
      request.destroy()
      await closed
    }
    return { asked, leave, server }
  }

  test('those that take nothing are paced, and nobody else is', async () => {
    const { asked, leave, server } = await coldBlobs(0)
    await using _ = server
    const began = performance.now()
    const lane = async () => {
      for (let i = 0; i < 40; i++) await leave('127.0.0.1')
    }
    await Promise.all(Array.from({ length: 8 }, lane))
    const { times } = asked
    // Those that are on their way when the wait begins come beside.
    const most = 32 + 8 + (32 * (performance.now() - began)) / 1000 + 8
    assert.ok(times >= 32 && times <= Math.min(most, 250), `asked ${times} times`)
    await leave('127.0.0.2')
    assert.equal(asked.times, times + 1)
    // Whoever waits is served, two seconds later or so.
    const path = `/v2/library/app/blobs/${digestOf(Buffer.alloc(1_000_000))}`
    const request = get({ port: server.port, path, agent: false })
    request.on('error', () => {})
    await eventually(() => asked.times === times + 2, 10_000)
    request.destroy()
  })

  test('those that take a part of each blob, as containerd does, are not', async () => {
    const { asked, leave, server } = await coldBlobs(128 * 1024)
    await using _ = server
    const began = performance.now()
    for (let i = 0; i < 150; i++) await leave('127.0.0.1')
    assert.equal(asked.times, 150)
    assert.ok(performance.now() - began < 20_000)
  })
})

suite('SEC-73: a client for which much was read waits before upstream is asked for it again', () => {
  test('what was spent is paid by the time that passes, and nothing waits for longer than the longest', () => {
    const pace = new ClientPace(1_000, { atOnce: 4_000, longest: 10_000 })
    pace.spent('10.0.0.1', 4_000, 60_000)
    assert.equal(pace.wait('10.0.0.1', 60_000), 0)
    pace.spent('10.0.0.1', 3_000, 60_000)
    assert.equal(pace.wait('10.0.0.1', 60_000), 3_000)
    assert.equal(pace.wait('10.0.0.1', 61_000), 2_000)
    assert.equal(pace.wait('10.0.0.2', 61_000), 0)
    pace.spent('10.0.0.1', 1_000_000, 61_000)
    assert.equal(pace.wait('10.0.0.1', 61_000), 10_000)
    assert.equal(pace.wait('10.0.0.1', 71_000), 0)
  })

  test('each pays for its own, an authenticated client by its name', async () => {
    const registry = new MemoryRegistry()
    const digest = registry.addBlob(Buffer.from('content'))
    registry.overrides = {
      manifests: {
        async get(_digest, options) {
          await options?.beforeAsking?.()
          options?.weighed?.(20 * 1024 * 1024)
          return undefined
        },
      },
    }
    const identify = ({ authorization }: { readonly authorization?: string | undefined }) =>
      authorization && Buffer.from(authorization.slice(6), 'base64').toString().split(':')[0]
    await using server = await serveRegistry(registry, {
      authenticator: {
        authenticate: async (client) => ({
          identity: identify(client),
          authorize() {},
          mayRead: () => true,
        }),
      },
    })
    const times: Record<string, number> = {}
    async function ask(name: string, user: string | undefined, localAddress = '127.0.0.1'): Promise<void> {
      const began = performance.now()
      const headers = user && { authorization: `Basic ${Buffer.from(`${user}:x`).toString('base64')}` }
      const request = get({
        port: server.port,
        localAddress,
        agent: false,
        path: `/v2/library/app/manifests/${digest}`,
        ...(headers && { headers }),
      })
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      assert.equal(response.statusCode, 404)
      for await (const _ of response) assert.ok(true)
      times[name] = performance.now() - began
    }
    await ask('anonymous', undefined)
    await ask('ci', 'ci')
    await Promise.all([
      ask('anonymous again', undefined),
      ask('ci again', 'ci', '127.0.0.2'),
      ask('another address', undefined, '127.0.0.3'),
      ask('another name', 'release'),
    ])
    for (const [name, time] of Object.entries(times)) {
      if (name.endsWith('again')) assert.ok(time > 300, `${name}: ${time} ms`)
      else assert.ok(time < times['ci again']!, `${name}: ${time} ms`)
    }
  })
})

suite('SEC-80: a client that is refused again and again is answered at a pace', () => {
  test('those of a second come at once, as many follow in each second, and none waits for long', () => {
    const pace = new ClientPace(4)
    const delays = (times: number, now: number) =>
      Array.from({ length: times }, () => pace.delay('10.0.0.1', 1, now))
    assert.deepEqual(delays(6, 60_000), [0, 0, 0, 0, 250, 500])
    assert.deepEqual(delays(1, 60_250), [500])
    assert.equal(delays(100, 60_250).filter((delay) => delay === undefined).length, 94)
    assert.equal(pace.boundedDelay('10.0.0.2'), 0)
    assert.deepEqual(delays(1, 70_000), [0])
  })

  test('nobody waits for the refusals of another client, whose addresses are one /64', () => {
    const pace = new ClientPace(8)
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
