/**
 * An image of schema 1 that takes long: killed in the middle, continued, with little memory. `SCHEMA1_MIB` is its size;
 * 2048 is what the design asks for.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { REPOSITORY } from './support/images.ts'
import { pushLargeImage } from './support/large-old-image.ts'
import { convertedImage, TODAY } from './support/old-images.ts'
import { missing, type Program } from './support/processes.ts'
import { type ProxyProcess, proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'

const MEBIBYTES = Number(process.env['SCHEMA1_MIB'] ?? 256)
const PROBE = fileURLToPath(new URL('support/turn-probe.ts', import.meta.url))
/** Of memory. Node itself has 80 to 100. */
const MOST_MIB = 320
const WITHIN = 600_000

suite('a large image of schema 1', { skip: missing('docker-registry') }, () => {
  test('is converted with little memory, and continued after kill -9', { timeout: WITHIN * 2 }, async (t) => {
    await using folder = await tempFolder()
    await using registry = await realRegistry(join(folder.path, 'registry'), undefined, true)
    const small = Math.ceil(MEBIBYTES / 8)
    const image = await pushLargeImage(registry, folder.path, [small, MEBIBYTES - 2 * small, small])
    const start = (rate?: string) =>
      proxyProcess(
        join(folder.path, 'proxy'),
        registry.url,
        { upstreams: { 'docker.io': { url: registry.url, schema1: 'convert', ...(rate && { rate }) } } },
        { preload: PROBE },
      )
    const total = image.layers.reduce((sum, { size }) => sum + size, 0)
    await registry.forget()
    {
      // The large layer takes about ten seconds.
      await using proxy = await start(`${Math.ceil(total / 10)}B/s`)
      const asking = head(proxy, AbortSignal.timeout(WITHIN)).catch(() => undefined)
      await eventually(async () => {
        const running = await proxy.transfers()
        return running.length === 1 && running[0]!.filled > 0.6 * image.layers[1]!.size
      }, WITHIN)
      proxy.program.kill('SIGKILL')
      assert.equal(await proxy.program.exited, 'SIGKILL')
      await asking
    }
    const before = measured(folder.path)
    assert.ok(before > 0 && before < image.layers.length, `${before} layers were measured`)

    await using proxy = await start()
    await longestTurn(proxy.program)
    const idle = await proxy.peakMemory()
    const begun = performance.now()
    await eventually(async () => (await head(proxy)).status === 200, WITHIN)
    const seconds = (performance.now() - begun) / 1000
    const memory = await proxy.peakMemory()
    const { wall, processor } = await longestTurn(proxy.program)
    t.diagnostic(
      `${MEBIBYTES} MiB, ${Math.round(total / 2 ** 20)} in gzip, ${before} of ${image.layers.length} layers done before: ` +
        `${seconds.toFixed(1)} s, ${Math.round(idle)} MiB before, ${Math.round(memory)} MiB at most, ` +
        `the event loop held for ${wall.toFixed(1)} ms at most, ${processor.toFixed(1)} ms of it by its own work`,
    )
    assert.ok(memory < MOST_MIB, `${memory} MiB`)
    assert.ok(processor < 50, `${processor} ms`)
    const { content, configDigest } = await convertedImage(proxy.url, image, false)
    const { rootfs } = JSON.parse(String(content.get(configDigest!)))
    assert.deepEqual(rootfs.diff_ids, image.diffIds)
    const gets = (await registry.requests()).filter(
      ({ method, path }) => method === 'GET' && path.includes('/blobs/'),
    )
    for (const { blob, size } of image.layers) {
      const statuses = gets.filter(({ path }) => path.includes(blob)).map(({ status }) => status)
      t.diagnostic(`${blob.slice(7, 19)} (${size} bytes): ${statuses.join(', ')}`)
    }
    const whole = gets.filter(({ status }) => status === 200)
    assert.equal(new Set(whole.map(({ path }) => path)).size, whole.length, 'no layer was begun again')
  })
})

function head({ url }: ProxyProcess, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v2/${REPOSITORY}/manifests/large`, {
    method: 'HEAD',
    headers: { accept: TODAY },
    ...(signal && { signal }),
  })
}

/** How many layers are measured, by the index of a store that no process has open. */
function measured(folder: string): number {
  const index = new DatabaseSync(join(folder, 'proxy', 'data', 'index.sqlite'), { readOnly: true })
  try {
    return Number(index.prepare('SELECT count(*) AS layers FROM layer_facts').get()!['layers'])
  } finally {
    index.close()
  }
}

/** The longest turn of the event loop since this was asked last, in milliseconds. */
async function longestTurn(program: Program): Promise<{ readonly wall: number; readonly processor: number }> {
  const asked = Date.now()
  program.kill('SIGUSR2')
  return program.line((line) => {
    if (!line.startsWith('{"probe"')) return undefined
    const turn = JSON.parse(line) as { wall: number; processor: number; at: number }
    return turn.at >= asked ? turn : undefined
  })
}
