/** What jobs of operators read is a use of the content, and no hit of a client's. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeDestination } from '../support/fake-destination.ts'
import { startProxy } from '../support/proxy.ts'
import { runCommand } from '../support/run-command.ts'
import { addMultiImage, imageUpstream } from './image-upstream.ts'

test('warm, export, import and push count neither as hits nor as savings, and pulls do', async () => {
  await using upstream = await imageUpstream()
  await using destination = await fakeDestination()
  await using proxy = await startProxy({ upstream })
  const { amd64 } = addMultiImage(upstream)
  const run = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand([...args, '--server', proxy.adminUrl])
    assert.equal(code, 0, stderr)
    return stdout
  }
  const pull = async (path: string): Promise<void> => {
    const answer = await fetch(`${proxy.url}/v2/library/app/${path}`)
    assert.equal(answer.status, 200)
    await answer.arrayBuffer()
  }
  const counted = async () => {
    const images = JSON.parse(await run('ls', '--json')) as { hits: number }[]
    // Its seconds are those of the bytes that have come from upstream so far.
    const { total } = JSON.parse(await run('savings', '--json')) as { total: Record<string, number> }
    const { requests, bytes, budget } = total
    return { hits: images.reduce((sum, { hits }) => sum + hits, 0), requests, bytes, budget }
  }
  await run('warm', 'app')
  assert.equal((await counted()).hits, 0)
  await pull('manifests/latest')
  for (const layer of amd64.layers) await pull(`blobs/${layer}`)
  const before = await counted()
  assert.equal(before.hits, 1)
  const file = join(proxy.folder, 'images.tar')
  await run('warm', 'app')
  await run('export', 'app', '-o', file, '--referrers')
  await run('import', file)
  await run('push', 'app', destination.url, '--referrers')
  assert.deepEqual(await counted(), before)
  await pull('manifests/latest')
  assert.equal((await counted()).hits, 2)
})
