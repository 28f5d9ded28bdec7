/** Every client's request to every registry's dialect: what clients see does not tell which registry is behind. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { startProxy, type Proxy } from '../support/proxy.ts'
import { EVERY_REGISTRY } from '../support/registries/every-registry.ts'
import { type FakeRegistry, fakeRegistry } from '../support/registries/fake-registry.ts'
import type { Dialect } from '../support/registries/layer.ts'
import { type ClientCall, clientCalls, followed, seen } from './calls.ts'
import { knownContent } from './content.ts'

const known = knownContent()
const calls = clientCalls(known)
const correct: Dialect = { name: 'a registry that does everything right', layers: [] }

/** Nothing is fresh, so that every answer is asked for again, and an outage finds stale ones. */
const cache = { tags: [{ match: '.*', fresh: '0s' }], lists: '0s', negative: '0s' }

async function proxyOf(registry: FakeRegistry): Promise<Proxy> {
  const { login } = registry.dialect
  const upstreamConfig = login && { ...login, tokenRealms: [registry.beside.url] }
  return startProxy({ upstream: registry, ...(upstreamConfig && { upstreamConfig }), config: { cache } })
}

async function answers(port: number, asked: readonly ClientCall[] = calls): Promise<Map<string, object>> {
  const found = new Map<string, object>()
  for (const call of asked) found.set(`${call.method} ${call.description}`, await seen(port, call))
  return found
}

describe('every request of a client, to every registry', () => {
  let expected: Map<string, object>
  before(async () => {
    await using registry = await fakeRegistry(correct, known.content)
    await using proxy = await proxyOf(registry)
    expected = await answers(proxy.port)
  })

  for (const dialect of EVERY_REGISTRY) {
    test(dialect().name, async (t) => {
      await using registry = await fakeRegistry(dialect(), known.content)
      await using proxy = await proxyOf(registry)
      await t.test('the first pull', async () => same(await answers(proxy.port), expected))
      await t.test('the second pull', async () => same(await answers(proxy.port), expected))
      for (const n of [undefined, 1000, 100, 37]) {
        await t.test(`all tags by pages of ${n ?? 'any size'}`, async () =>
          assert.deepEqual(await followed(proxy.port, n), known.tags),
        )
      }
      await t.test('a pull while the registry is away', async () => {
        await registry.stop()
        const there = calls.filter(({ description }) => !/nowhere|nothing|none/.test(description))
        same(
          await answers(proxy.port, there),
          new Map([...expected].filter(([key]) => !/nowhere|nothing|none/.test(key))),
        )
      })
    })
  }
})

/** Names every answer that differs, and not only the first. */
function same(actual: Map<string, object>, expected: Map<string, object>): void {
  const differ = [...expected].filter(([key, value]) => {
    try {
      assert.deepEqual(actual.get(key), value)
      return false
    } catch {
      return true
    }
  })
  const pick = (answers: Map<string, object>): object =>
    Object.fromEntries(differ.map(([key]) => [key, answers.get(key)]))
  assert.deepEqual(pick(actual), pick(expected))
}
