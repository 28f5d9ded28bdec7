/** Archives from one Entrepot to another, through the commands. */
import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { addMultiImage, imageUpstream } from '../images/image-upstream.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { runCommand } from '../support/run-command.ts'

async function digestAt(proxy: Proxy, path: string): Promise<string | null> {
  const answer = await fetch(`${proxy.url}/v2/library/${path}`, { method: 'HEAD' })
  return answer.ok ? answer.headers.get('docker-content-digest') : null
}

async function bytesAt(proxy: Proxy, path: string): Promise<string | undefined> {
  const answer = await fetch(`${proxy.url}/v2/library/${path}`)
  const bytes = Buffer.from(await answer.arrayBuffer())
  return answer.ok ? descriptorOf(bytes).digest : undefined
}

const objects = async (proxy: Proxy): Promise<unknown> => {
  const { objects, unlinked } = (await (await fetch(`${proxy.adminUrl}/api/v1/usage`)).json()) as {
    objects: number
    unlinked: object
  }
  return { objects, unlinked }
}

const EMPTY = { objects: 0, unlinked: { objects: 0, bytes: 0 } }

/** A proxy that never dials. */
const startOffline = () =>
  startProxy({ upstream: { url: 'http://127.0.0.1:1' }, upstreamConfig: { offline: true } })

for (const name of ['images.tar', 'images.tar.zst']) {
  test(`${name}: images with platforms and referrers are served offline, by tag and by digest`, async () => {
    await using upstream = await imageUpstream()
    await using source = await startProxy({ upstream })
    await using target = await startOffline()
    const { index, amd64, arm64, signature } = addMultiImage(upstream)
    const layer = blobOf(3_000_000, 9).bytes
    upstream.addBlob(layer)
    const single = upstream.addManifest('library/single', '1.0', manifestOf([layer]), OCI_MANIFEST)
    const from = ['--server', source.adminUrl]
    const to = ['--server', target.adminUrl]
    assert.equal(
      (await runCommand(['warm', 'app', 'single:1.0', '--platform', 'linux/amd64', ...from])).code,
      0,
    )
    const file = join(source.folder, name)
    // The other platform is fetched on the way.
    const exported = await runCommand(['export', 'app', 'single', '-o', file, '--referrers', ...from])
    assert.equal(exported.code, 0, exported.stderr)
    const magic = (await readFile(file)).subarray(0, 4).toString('hex')
    assert.equal(magic === '28b52ffd', name.endsWith('.zst'))
    const imported = await runCommand(['import', file, ...to])
    assert.equal(imported.code, 0, imported.stderr)
    assert.match(
      imported.stdout,
      /^imported docker\.io\/library\/app:latest\nimported docker\.io\/library\/single:1\.0\n2 images: /,
    )
    assert.equal(await digestAt(target, 'app/manifests/latest'), index)
    assert.equal(await digestAt(target, 'single/manifests/1.0'), single.digest)
    for (const { digest, layers } of [amd64, arm64, signature]) {
      assert.equal(await bytesAt(target, `app/manifests/${digest}`), digest)
      for (const blob of layers) assert.equal(await bytesAt(target, `app/blobs/${blob}`), blob)
    }
    // Content is nobody's who has not been given it.
    assert.equal(await digestAt(target, `single/blobs/${amd64.layers[0]}`), null)
    const referrers = (await (
      await fetch(`${target.url}/v2/library/app/referrers/${amd64.digest}`)
    ).json()) as {
      manifests: { digest: string; artifactType: string }[]
    }
    assert.deepEqual(
      referrers.manifests.map(({ digest, artifactType }) => [digest, artifactType]),
      [[signature.digest, 'application/vnd.example.signature']],
    )
    const again = await runCommand(['import', file, ...to])
    assert.match(again.stdout, /^present .*\npresent .*\n2 images: 0 objects, 0 B added\n$/)
    const { audit } = (await (await fetch(`${target.adminUrl}/api/v1/audit`)).json()) as {
      audit: { action: string; result: string }[]
    }
    assert.equal(audit[0]?.action, 'import')
  })
}

test('one platform: the index stays as it is, and what is absent is told', async () => {
  await using upstream = await imageUpstream()
  await using source = await startProxy({ upstream })
  await using target = await startOffline()
  const { index, amd64, arm64 } = addMultiImage(upstream)
  const file = join(source.folder, 'one.tar')
  await runCommand(['warm', 'app', '--server', source.adminUrl])
  const exported = await runCommand([
    'export',
    'app',
    '-o',
    file,
    '--platform',
    'linux/arm64',
    '--server',
    source.adminUrl,
  ])
  assert.equal(exported.code, 0, exported.stderr)
  const imported = await runCommand(['import', file, '--server', target.adminUrl])
  assert.match(imported.stdout, /app:latest \(without linux\/amd64, attestation\)/)
  assert.equal(await digestAt(target, 'app/manifests/latest'), index)
  assert.equal(await bytesAt(target, `app/manifests/${arm64.digest}`), arm64.digest)
  assert.equal(await digestAt(target, `app/manifests/${amd64.digest}`), null)
})

test('an increment has what came since, needs what it builds on, and is taken in on top of it', async () => {
  await using upstream = await imageUpstream()
  await using source = await startProxy({ upstream })
  await using target = await startOffline()
  const base = blobOf(2_000_000, 1).bytes
  const top = blobOf(100_000, 2).bytes
  for (const bytes of [base, top, Buffer.from('{}')]) upstream.addBlob(bytes)
  const old = upstream.addManifest('library/app', '1', manifestOf([base]), OCI_MANIFEST)
  const [from, to] = [
    ['--server', source.adminUrl],
    ['--server', target.adminUrl],
  ]
  const [first, second] = [join(source.folder, 'first.tar'), join(source.folder, 'second.tar')]
  await runCommand(['warm', 'app:1', ...from])
  assert.equal((await runCommand(['export', 'app', '-o', first, ...from])).code, 0)
  // Instants are told in seconds.
  const next = Math.ceil((Date.now() + 1) / 1_000) * 1_000
  await eventually(() => Date.now() >= next)
  const since = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase().concat('z')
  const moved = upstream.addManifest('library/app', '1', manifestOf([base, top]), OCI_MANIFEST)
  await runCommand(['refresh', 'app:1', ...from])
  assert.equal((await runCommand(['export', 'app:1', '-o', second, '--since', since, ...from])).code, 0)
  assert.ok((await stat(second)).size < 200_000)
  const early = await runCommand(['import', second, ...to])
  assert.equal(early.code, 1)
  assert.match(
    early.stderr,
    /neither in the archive nor in the store \(it is an increment since .*import what it builds on first\)/,
  )
  assert.deepEqual(await objects(target), EMPTY)
  assert.equal((await runCommand(['import', first, ...to])).code, 0)
  assert.equal(await digestAt(target, 'app/manifests/1'), old.digest)
  assert.equal((await runCommand(['import', second, ...to])).code, 0)
  assert.equal(await digestAt(target, 'app/manifests/1'), moved.digest)
  // The older archive does not set the tag back.
  assert.match((await runCommand(['import', first, ...to])).stdout, /^kept /)
  assert.equal(await digestAt(target, 'app/manifests/1'), moved.digest)
})

test('an image that cannot be completed is not exported, and nothing is left of the file', async () => {
  await using upstream = await imageUpstream()
  await using source = await startProxy({ upstream })
  const { arm64 } = addMultiImage(upstream)
  const server = ['--server', source.adminUrl]
  await runCommand(['warm', 'app', '--platform', 'linux/amd64', ...server])
  upstream.content.blobs.delete(arm64.layers[1]!)
  const file = join(source.folder, 'images.tar')
  const failed = await runCommand(['export', 'app', '-o', file, ...server])
  assert.equal(failed.code, 1)
  assert.match(
    failed.stderr,
    new RegExp(
      `app:latest is incomplete:\\n  blob linux/arm64/v8 ${arm64.layers[1]}: docker.io does not have it`,
    ),
  )
  await assert.rejects(stat(file))
  await assert.rejects(stat(`${file}.part`))
  assert.match(
    (await runCommand(['export', 'nothing', '-o', file, ...server])).stderr,
    /nothing that is stored matches/,
  )
})

test('names: an unknown upstream is refused, and --as gives another repository', async () => {
  await using upstream = await fakeUpstream()
  await using source = await startProxy({
    upstream,
    config: { upstreams: { 'other.example': { url: upstream.url, allowPrivate: true } } },
  })
  await using target = await startOffline()
  const layer = blobOf(1000, 1).bytes
  for (const bytes of [layer, Buffer.from('{}')]) upstream.addBlob(bytes)
  const { digest } = upstream.addManifest('team/app', '1', manifestOf([layer]), OCI_MANIFEST)
  const file = join(source.folder, 'images.tar')
  await runCommand(['warm', 'other.example/team/app:1', '--server', source.adminUrl])
  assert.equal(
    (await runCommand(['export', 'other.example/**', '-o', file, '--server', source.adminUrl])).code,
    0,
  )
  const to = ['--server', target.adminUrl]
  const refused = await runCommand(['import', file, ...to])
  assert.match(
    refused.stderr,
    /other\.example\/team\/app:1: other\.example is no upstream: add it to upstreams/,
  )
  assert.deepEqual(await objects(target), EMPTY)
  assert.equal((await runCommand(['import', file, '--as', 'docker.io/library/renamed', ...to])).code, 0)
  assert.equal(await digestAt(target, 'renamed/manifests/1'), digest)
  await writeFile(file, 'no archive at all')
  assert.match((await runCommand(['import', file, ...to])).stderr, /409/)
})

test('an archive of the past has what tags pointed to then', async () => {
  await using upstream = await fakeUpstream()
  await using source = await startProxy({
    upstream,
    config: { cache: { tags: [{ match: '.*', fresh: '0s' }] } },
  })
  await using target = await startOffline()
  upstream.addBlob(Buffer.from('{}'))
  const moved = (seed: number) => {
    const { bytes } = blobOf(1000, seed)
    upstream.addBlob(bytes)
    return upstream.addManifest('library/app', 'latest', manifestOf([bytes]), OCI_MANIFEST).digest
  }
  const from = ['--server', source.adminUrl]
  const before = moved(1)
  const warmed = await runCommand(['warm', 'app', ...from])
  assert.equal(warmed.code, 0, warmed.stderr + warmed.stdout)
  // An instant is a whole second.
  const then = Math.ceil(Date.now() / 1000) * 1000
  await eventually(() => Date.now() > then)
  const now = moved(2)
  assert.equal((await runCommand(['refresh', 'app', ...from])).code, 0)
  assert.equal(await digestAt(source, 'app/manifests/latest'), now)

  const file = join(source.folder, 'past.tar')
  const instant = new Date(then).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const exported = await runCommand(['export', 'app', '-o', file, '--as-of', instant, ...from])
  assert.equal(exported.code, 0, exported.stderr)
  assert.equal((await runCommand(['import', file, '--server', target.adminUrl])).code, 0)
  assert.equal(await digestAt(target, 'app/manifests/latest'), before)
  assert.equal(await digestAt(target, `app/manifests/${now}`), null)
})
