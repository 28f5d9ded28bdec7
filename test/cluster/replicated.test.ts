/** Links and tags behind which are those of other replicas, while the database is there and while it is not. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Message } from '../../src/cluster/index/outbox.ts'
import { replicatedLinks } from '../../src/cluster/index/replicated-links.ts'
import { sharedFlight } from '../../src/cluster/shared-flight.ts'
import type { LinkFacts } from '../../src/cluster/index/shared-links.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { blobOf } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'

const a = { upstream: 'docker.io', name: 'library/a' }
const { digest } = blobOf(10)
const NOTHING: LinkFacts = { isLinked: false, mediaType: undefined, isKnown: false, isLinkedAtAll: false }

function linksOver(facts: LinkFacts | 'away') {
  const sent: Message[] = []
  const asked: string[] = []
  const links = replicatedLinks(
    memoryStore().links,
    {
      async facts({ name }) {
        asked.push(name)
        if (facts === 'away') throw new RegistryError('STORAGE', { reason: 'out' })
        return facts
      },
      linked: async () => [],
      add: async () => {},
      removeAll: async () => {},
      remove: async () => {},
    },
    { send: async (message) => void sent.push(message), waiting: 0, async [Symbol.asyncDispose]() {} },
  )
  return { links, sent, asked }
}

suite('replicated links', () => {
  test('what another replica has proved counts here, and is asked for once', async () => {
    const { links, asked } = linksOver({
      isLinked: true,
      mediaType: 'type/a',
      isKnown: true,
      isLinkedAtAll: true,
    })
    assert.equal(await links.has(a, digest), true)
    assert.equal(await links.has(a, digest), true)
    assert.equal(await links.mediaType(a, digest), 'type/a')
    assert.equal(await links.knows(a.upstream, digest), true)
    assert.deepEqual(asked, ['library/a'])
  })

  test('while the database is away, nothing is concluded that would let somebody read', async () => {
    const { links, sent } = linksOver('away')
    assert.equal(await links.has(a, digest), false)
    assert.equal(await links.knows(a.upstream, digest), false)
    // Else upstream could prove by ranges what others have brought in.
    assert.equal(await links.isLinked(digest), true)
    assert.equal(await links.mediaType(a, digest), undefined)
    await links.add(a, digest, 'type/a')
    assert.equal(await links.has(a, digest), true)
    assert.deepEqual(sent, [{ kind: 'link', repository: a, digest, mediaType: 'type/a' }])
  })

  test('of what nobody is linked to, it is said so', async () => {
    const { links } = linksOver(NOTHING)
    assert.equal(await links.has(a, digest), false)
    assert.equal(await links.isLinked(digest), false)
  })
})

suite('one replica asks', () => {
  const now = (): number => performance.now()
  const settled = async (): Promise<void> => {}

  test('the others wait for what it finds', async () => {
    const held = new Set<string>()
    let value: string | undefined
    let asked = 0
    const leases = {
      claim: async (key: string) => {
        if (held.has(key)) return { address: 'elsewhere', detail: '' }
        held.add(key)
        return 'own' as const
      },
      release: async (key: string) => void held.delete(key),
    }
    const ask = async (): Promise<string> => {
      asked += 1
      await new Promise((resolve) => setTimeout(resolve, 30))
      value = 'found'
      return value
    }
    const all = Array.from({ length: 10 }, () =>
      sharedFlight(
        { leases, settled, now },
        'x',
        async () => value,
        ask,
        () => undefined,
      ),
    )
    assert.deepEqual(new Set(await Promise.all(all)), new Set(['found']))
    assert.equal(asked, 1)
    assert.equal(held.size, 0)
  })

  test('without a database each asks for itself; a failure lets the next one ask', async () => {
    const away = { claim: async () => undefined, release: async () => {} }
    const none = async (): Promise<undefined> => undefined
    assert.equal(
      await sharedFlight(
        { leases: away, settled, now },
        'x',
        none,
        async () => 1,
        () => undefined,
      ),
      1,
    )
    const released: string[] = []
    const own = { claim: async () => 'own' as const, release: async (key: string) => void released.push(key) }
    const fails = sharedFlight(
      { leases: own, settled, now },
      'x',
      none,
      () => Promise.reject(new Error('no')),
      () => undefined,
    )
    await assert.rejects(fails, /no/)
    assert.deepEqual(released, ['x'])
  })
})
