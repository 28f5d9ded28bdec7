/** What jobs of operators read is a use of the content, and no hit of a client's. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectBehind, inspectBrought } from '../../src/cache/inspect-brought.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { BlobProvider } from '../../src/ports/blob-store.ts'
import type { ReadOptions } from '../../src/ports/read-options.ts'
import { fakeDestination } from '../support/fake-destination.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
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

test('a tag that moves to what is stored counts one hit, that of its reader', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({
    upstream,
    config: { cache: { tags: [{ match: '.*', fresh: '0s' }] } },
  })
  const manifest = manifestOf([Buffer.from('layer')])
  upstream.addManifest('library/app', 'old', manifestOf([Buffer.from('old')]), OCI_MANIFEST)
  upstream.addManifest('library/app', 'new', manifest, OCI_MANIFEST)
  const pull = async (tag: string) =>
    (await fetch(`${proxy.url}/v2/library/app/manifests/${tag}`)).arrayBuffer()
  const hits = async () => {
    const { stdout } = await runCommand(['ls', '--json', '--server', proxy.adminUrl])
    return (JSON.parse(stdout) as { tag: string; hits: number }[]).find(({ tag }) => tag === 'new')!.hits
  }
  for (const tag of ['old', 'new']) await pull(tag)
  const before = await hits()
  upstream.addManifest('library/app', 'old', manifest, OCI_MANIFEST)
  assert.deepEqual(Buffer.from(await pull('old')), manifest)
  assert.equal(await hits(), before + 1)
})

test('what an inspection brings in from a bucket is read by a job', async () => {
  const digest = digestOf(Buffer.from('{}'))
  const asked: (ReadOptions | undefined)[] = []
  const blobs: Pick<BlobProvider, 'open' | 'stat'> = {
    stat: () => undefined,
    async open(_, options) {
      asked.push(options)
      return undefined
    },
  }
  for (const inspect of [inspectBrought, inspectBehind]) {
    assert.equal(await inspect(async () => undefined, blobs)(digest), undefined)
  }
  assert.deepEqual(asked, [{ isByJob: true }, { isByJob: true }])
})
