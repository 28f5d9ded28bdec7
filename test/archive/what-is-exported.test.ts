/** Which digest of a tag goes into an archive, and which instants, platforms and repositories make none. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { instantText } from '../../src/util/instant.ts'
import { addMultiImage, imageUpstream } from '../images/image-upstream.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { runCommand } from '../support/run-command.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('what a cool-down holds back is not exported under its tag, now and as of an instant', async () => {
  await using upstream = await fakeUpstream()
  const cache = { coolDown: [{ match: '**', for: '1h' }], tags: [{ match: '.*', fresh: '0s' }] }
  await using source = await startProxy({ upstream, config: { cache } })
  const from = ['--server', source.adminUrl]
  upstream.addBlob(Buffer.from('{}'))
  const pushed = async (seed: number, command: string): Promise<string> => {
    const layer = blobOf(1_000, seed).bytes
    upstream.addBlob(layer)
    const { digest } = upstream.addManifest('library/app', '1', manifestOf([layer]), OCI_MANIFEST)
    await runCommand([command, 'app:1', ...from])
    return digest
  }
  const old = await pushed(1, 'warm')
  const held = await pushed(2, 'refresh')
  const exported = async (pattern: string, ...options: string[]) => {
    const file = join(source.folder, 'images.tar')
    const { code, stderr } = await runCommand(['export', pattern, '-o', file, ...options, ...from])
    assert.equal(code, 0, stderr)
    await using target = await startProxy({ upstream, upstreamConfig: { offline: true } })
    const to = ['--server', target.adminUrl]
    const imported = await runCommand(['import', file, '--json', ...to])
    assert.equal(imported.code, 0, imported.stderr)
    const { images } = JSON.parse(imported.stdout) as { images: { image: string; digest: string }[] }
    return images.map(({ image, digest }) => [image, digest])
  }
  const asTag = [['docker.io/library/app:1', old]]
  assert.deepEqual(await exported('app:1'), asTag)
  // Instants are told in seconds.
  const next = Math.ceil((Date.now() + 1) / 1_000) * 1_000
  await eventually(() => Date.now() >= next)
  assert.deepEqual(await exported('app:1', '--as-of', instantText(next)), asTag)
  // Who asks for its digest gets it, without the tag.
  assert.deepEqual(await exported(`app@${held}`), [[`docker.io/library/app@${held}`, held]])
})

test('an instant that has yet to come is refused, and writes nothing', async () => {
  await using upstream = await imageUpstream()
  await using source = await startProxy({ upstream })
  addMultiImage(upstream)
  const from = ['--server', source.adminUrl]
  await runCommand(['warm', 'app', ...from])
  const future = instantText(Date.now() + 3_600_000)
  for (const option of ['--as-of', '--since']) {
    const args = ['export', 'app', '-o', join(source.folder, 'images.tar'), option, future, ...from]
    const { code, stderr } = await runCommand(args)
    assert.equal(code, 1)
    assert.match(stderr, /(asOf|since) lies in the future: the time here is \d{8}t\d{6}z/)
  }
  const listed = await runCommand(['ls', '--as-of', future, ...from])
  assert.equal(listed.code, 64)
  assert.match(listed.stderr, /--as-of lies in the future/)
  const answer = await fetch(`${source.adminUrl}/api/v1/images?asOf=${future}`)
  assert.equal(answer.status, 400)
  assert.ok(!(await readdir(source.folder)).some((name) => name.startsWith('images.tar')))
})

test('platforms that no image has make no archive', async () => {
  await using upstream = await imageUpstream()
  await using source = await startProxy({ upstream })
  addMultiImage(upstream)
  const from = ['--server', source.adminUrl]
  await runCommand(['warm', 'app', ...from])
  const file = join(source.folder, 'images.tar')
  const none = await runCommand(['export', 'app', '-o', file, '--platform', 'linux/s390x', ...from])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /no image that matches has a platform linux\/s390x/)
  const some = ['--platform', 'linux/s390x', '--platform', 'linux/arm64']
  assert.equal((await runCommand(['export', 'app', '-o', file, ...some, ...from])).code, 0)
})

test('an image that the configuration has come to forbid is named, and nothing is fetched for the others', async () => {
  await using folder = await tempFolder()
  await using upstream = await imageUpstream()
  addMultiImage(upstream)
  {
    await using before = await startProxy({ upstream, folder: folder.path })
    await runCommand(['warm', 'app', '--platform', 'linux/amd64', '--server', before.adminUrl])
  }
  const requests = upstream.requests.length
  await using source = await startProxy({
    upstream,
    folder: folder.path,
    upstreamConfig: { deny: ['library/app'] },
  })
  const file = join(folder.path, 'images.tar')
  const { code, stderr } = await runCommand(['export', '**', '-o', file, '--server', source.adminUrl])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /app:latest: the configuration forbids it \(upstreams\.docker\.io\.deny: library\/app\)/,
  )
  assert.equal(upstream.requests.length, requests)
})
