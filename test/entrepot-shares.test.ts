/** `upstreams.*.maxSize`: what one upstream may take of the store. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import type { Status } from '../src/ports/insight/insight.ts'
import type { DiskUsage } from '../src/ports/operations.ts'
import { type Blob, blobOf, eventually } from './support/fixtures.ts'
import { runEntrepot } from './support/child.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { type Proxy, startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'
import { tempFolder } from './support/temp-folder.ts'

const MiB = 1024 * 1024
const SIZE = 200_000
const blobs = (count: number, firstSeed: number): readonly Blob[] =>
  Array.from({ length: count }, (_, i) => blobOf(SIZE, firstSeed + i))

/** Two upstreams before one store; the share of `small.example` has room for five blobs. */
async function twoUpstreams(folder?: string, maxSize: string | null = '1MiB') {
  await using starting = new AsyncDisposableStack()
  const [small, large] = [starting.use(await fakeUpstream()), starting.use(await fakeUpstream())]
  const proxy = starting.use(
    await startProxy({
      upstream: large,
      ...(folder !== undefined && { folder }),
      config: {
        upstreams: {
          'small.example': { url: small.url, ...(maxSize !== null && { maxSize }) },
          'large.example': { url: large.url },
        },
        defaultUpstream: 'large.example',
        cache: { sweep: '* * * * * *' },
      },
    }),
  )
  const resources = starting.move()
  return { small, large, proxy, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

async function pull(proxy: Proxy, upstream: string, { digest, bytes }: Blob): Promise<string> {
  const { status, body, headers } = await call(proxy.port, 'GET', `/v2/${upstream}/app/blobs/${digest}`)
  assert.equal(status, 200)
  assert.ok(body.equals(bytes))
  return headers['cache-status'] ?? ''
}

async function usage(proxy: Proxy): Promise<DiskUsage> {
  return (await (await fetch(`${proxy.adminUrl}/api/v1/usage`)).json()) as DiskUsage
}

async function bytesOf(proxy: Proxy, upstream: string): Promise<number> {
  return (await usage(proxy)).upstreams.find(({ name }) => name === upstream)?.bytes ?? 0
}

/** Pulls a blob, and waits until it is stored. */
async function store(proxy: Proxy, upstream: string, blob: Blob): Promise<void> {
  await pull(proxy, upstream, blob)
  await eventually(async () => (await pull(proxy, upstream, blob)).startsWith('entrepot; hit'), 10_000)
}

suite('the share of an upstream', () => {
  test('pulls above it evict the longest unused of that upstream, and nothing of another one', async () => {
    await using two = await twoUpstreams()
    const { small, large, proxy } = two
    const [ofSmall, ofLarge] = [blobs(10, 1), blobs(10, 101)]
    for (const { bytes } of ofSmall) small.addBlob(bytes)
    for (const { bytes } of ofLarge) large.addBlob(bytes)
    for (const blob of ofLarge) await store(proxy, 'large.example', blob)
    for (const blob of ofSmall) {
      await store(proxy, 'small.example', blob)
      assert.ok((await bytesOf(proxy, 'small.example')) <= MiB)
    }
    assert.equal(await bytesOf(proxy, 'large.example'), 10 * SIZE)
    const before = [small.count('GET', /blobs/), large.count('GET', /blobs/)]
    for (const blob of ofLarge) assert.match(await pull(proxy, 'large.example', blob), /^entrepot; hit/)
    assert.match(await pull(proxy, 'small.example', ofSmall.at(-1)!), /^entrepot; hit/)
    assert.deepEqual([small.count('GET', /blobs/), large.count('GET', /blobs/)], before)
    assert.match(await pull(proxy, 'small.example', ofSmall[0]!), /fwd=uri-miss/)
  })

  test('content that both have counts in each, and stays for the other when one is above its share', async () => {
    await using two = await twoUpstreams()
    const { small, large, proxy } = two
    const shared = blobOf(SIZE, 1)
    const others = blobs(8, 2)
    for (const upstream of [small, large]) upstream.addBlob(shared.bytes)
    for (const { bytes } of others) small.addBlob(bytes)
    await store(proxy, 'large.example', shared)
    await store(proxy, 'small.example', shared)
    assert.deepEqual(
      [await bytesOf(proxy, 'small.example'), await bytesOf(proxy, 'large.example')],
      [SIZE, SIZE],
    )
    assert.equal((await usage(proxy)).bytes, SIZE)
    for (const blob of others) await store(proxy, 'small.example', blob)
    assert.match(await pull(proxy, 'large.example', shared), /^entrepot; hit/)
    assert.equal(large.count('GET', /blobs/), 1)
    assert.equal(await bytesOf(proxy, 'large.example'), SIZE)
    assert.match(await pull(proxy, 'small.example', shared), /fwd=uri-miss/)
  })

  test('a blob larger than the share passes through, and evicts nothing', async () => {
    await using two = await twoUpstreams()
    const { small, proxy } = two
    const [kept, huge] = [blobOf(SIZE, 1), blobOf(2 * MiB, 2)]
    for (const { bytes } of [kept, huge]) small.addBlob(bytes)
    await store(proxy, 'small.example', kept)
    for (let i = 0; i < 2; i++) await pull(proxy, 'small.example', huge)
    assert.ok(small.count('GET', new RegExp(huge.digest)) >= 2)
    assert.equal(await bytesOf(proxy, 'small.example'), SIZE)
    assert.match(await pull(proxy, 'small.example', kept), /^entrepot; hit/)
  })

  test('a share that is set later, or lowered, is kept to by the next sweep', async () => {
    await using folder = await tempFolder()
    const ofSmall = blobs(10, 1)
    {
      await using two = await twoUpstreams(folder.path, null)
      for (const { bytes } of ofSmall) two.small.addBlob(bytes)
      for (const blob of ofSmall) await store(two.proxy, 'small.example', blob)
      assert.equal(await bytesOf(two.proxy, 'small.example'), 10 * SIZE)
    }
    await using two = await twoUpstreams(folder.path)
    await eventually(async () => (await bytesOf(two.proxy, 'small.example')) <= MiB, 20_000)
    assert.ok((await bytesOf(two.proxy, 'small.example')) >= 3 * SIZE)
  })

  test('16 clients at once: every pull is right, and what is stored of it soon keeps to the share', async () => {
    await using two = await twoUpstreams()
    const { small, large, proxy } = two
    const [ofSmall, ofLarge] = [blobs(20, 1), blobs(20, 101)]
    for (const { bytes } of ofSmall) small.addBlob(bytes)
    for (const { bytes } of ofLarge) large.addBlob(bytes)
    const client = async (number: number) => {
      for (let round = 0; round < 10; round++) {
        await pull(proxy, 'small.example', ofSmall[(number * 7 + round * 11) % ofSmall.length]!)
        await pull(proxy, 'large.example', ofLarge[(number * 5 + round * 3) % ofLarge.length]!)
      }
    }
    await Promise.all(Array.from({ length: 16 }, (_, number) => client(number)))
    await eventually(async () => (await bytesOf(proxy, 'small.example')) <= MiB, 20_000)
    assert.equal(large.count('GET', /blobs/), 20)
  })

  test('du, status and the metrics tell what is stored of it, and of how much', async () => {
    await using two = await twoUpstreams()
    const { small, large, proxy } = two
    const [one, other] = [blobOf(SIZE, 1), blobOf(SIZE, 2)]
    small.addBlob(one.bytes)
    large.addBlob(other.bytes)
    await store(proxy, 'small.example', one)
    await store(proxy, 'large.example', other)

    const du = await runEntrepot('du', '--server', proxy.adminUrl)
    assert.match(du.stdout, /^small\.example +195 KiB of 1\.0 MiB +1$/m)
    assert.match(du.stdout, /^large\.example +195 KiB +1$/m)
    const status = await runEntrepot('status', '--server', proxy.adminUrl)
    assert.match(status.stdout, /^small\.example +up +(?:now|\d+ s) +195 KiB of 1\.0 MiB /m)
    const { upstreams } = parse(
      (await runEntrepot('status', '--json', '--server', proxy.adminUrl)).stdout,
    ) as Status
    assert.deepEqual(
      upstreams.map(({ name, storedBytes, limitBytes }) => [name, storedBytes, limitBytes]),
      [
        ['small.example', SIZE, MiB],
        ['large.example', SIZE, null],
      ],
    )
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    assert.match(
      metrics,
      new RegExp(`^entrepot_upstream_stored_bytes\\{upstream="large.example"\\} ${SIZE}$`, 'm'),
    )
    assert.match(
      metrics,
      new RegExp(`^entrepot_upstream_stored_limit_bytes\\{upstream="small.example"\\} ${MiB}$`, 'm'),
    )
    assert.doesNotMatch(metrics, /stored_limit_bytes\{upstream="large/)
  })
})
