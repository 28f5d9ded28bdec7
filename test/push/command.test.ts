/** `entrepot push`: through a process, and without one. */
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { commands } from '../../src/cli/commands.ts'
import { run } from '../../src/cli/run.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { runEntrepotWith } from '../support/child.ts'
import { fakeDestination, type FakeDestination } from '../support/fake-destination.ts'
import { fakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { tempFolder, type TempFolder } from '../support/temp-folder.ts'

const KiB = 1024
const BASIC = `Basic ${Buffer.from('ci:a password').toString('base64')}`

for (const state of ['runs', 'is stopped'] as const) {
  suite(`entrepot push while the proxy ${state}`, () => {
    let folder: TempFolder
    let upstream: FakeUpstream
    let there: FakeDestination
    let proxy: Proxy
    let file: string
    const layer = blobOf(50 * KiB, 1)
    const manifest = manifestOf([layer.bytes])
    const { digest } = descriptorOf(manifest)

    before(async () => {
      folder = await tempFolder()
      upstream = await fakeUpstream()
      upstream.addBlob(layer.bytes)
      upstream.addBlob(Buffer.from('{}'))
      upstream.addManifest('org/app', '1', manifest, OCI_MANIFEST)
      there = await fakeDestination({
        fault: ({ authorization }) =>
          authorization === BASIC
            ? undefined
            : { status: 401, headers: { 'www-authenticate': 'Basic realm="there"' } },
      })
      proxy = await startProxy({ upstream, folder: folder.path })
      await (await fetch(`${proxy.url}/v2/org/app/manifests/1`)).arrayBuffer()
      file = join(folder.path, 'commands.yaml')
      const written = parse(await readFile(join(folder.path, 'proxy.config.yaml'), 'utf8')) as object
      const port = Number(new URL(proxy.adminUrl).port)
      await writeFile(file, stringify({ ...written, admin: { host: '127.0.0.1', port } }))
      if (state === 'is stopped') await proxy.stop()
    })
    after(async () => {
      await proxy[Symbol.asyncDispose]()
      await there[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    })

    const push = (input: string | undefined, ...args: readonly string[]) =>
      runEntrepotWith(
        { ...(input !== undefined && { input }), env: { DOCKER_CONFIG: join(folder.path, 'docker') } },
        ...['push', ...args, '--config', file],
      )

    test('tells what it would push, without asking the destination', async () => {
      const { code, stdout } = await push(undefined, 'org/*', `${there.url}/cache`, '--dry-run')
      const host = new URL(there.url).host
      assert.equal(code, 0)
      assert.match(
        stdout,
        new RegExp(
          `^docker.io/org/app:1 → ${host}/cache/org/app:1: would be pushed \\(.*\\)\nwould push 1 image, .* at most\n$`,
        ),
      )
      assert.equal(there.requests.length, 0)
    })

    test('fails without credentials, and says what to check', async () => {
      const { code, stdout } = await push(undefined, 'org/*', there.url)
      assert.equal(code, 1)
      assert.match(
        stdout,
        /failed \(.*access denied \(401\): check the credentials.*\)\n0 images pushed, 0 unchanged, 1 failed/,
      )
    })

    test('fails where nothing matches', async () => {
      const { code, stderr } = await push(undefined, 'quay.io/**', there.url, '--dry-run')
      assert.deepEqual([code, stderr], [1, 'nothing matches quay.io/**\n'])
    })

    test('takes the password from standard input, and tells how it went as JSON', async () => {
      const { code, stdout, stderr } = await push(
        'a password\n',
        'org/*',
        there.url,
        '--username',
        'ci',
        '--json',
      )
      assert.deepEqual([code, stderr], [0, ''])
      const { pushed, failed, images } = JSON.parse(stdout) as Record<string, unknown>
      assert.deepEqual([pushed, failed], [1, 0])
      assert.equal((images as { digest: string }[])[0]!.digest, digest)
      assert.equal(there.pull('org/app', '1'), digest)
      assert.doesNotMatch(stdout, /a password/)
    })

    test('takes what docker login has left, and has little to do the second time', async () => {
      const docker = join(folder.path, 'docker')
      await mkdir(docker, { recursive: true })
      const auths = { [new URL(there.url).host]: { auth: BASIC.slice('Basic '.length) } }
      await writeFile(join(docker, 'config.json'), JSON.stringify({ auths }))
      const { code, stdout } = await push(undefined, 'org/*', there.url)
      assert.equal(code, 0)
      assert.match(
        stdout,
        /:1: unchanged\n0 images pushed, 1 unchanged, 0 B sent, 0 blobs mounted, [\d.]+ s\n$/,
      )
    })
  })
}

test('entrepot push says how it is used', async () => {
  const table = commands({
    start: async () => {},
    now: Date.now,
    openHere: () => Promise.reject(new Error()),
  })
  for (const [args, message] of [
    [['org/*'], /push needs <pattern>/],
    [['org/*', 'a b'], /must be a registry and what names begin with there/],
    [['org/*', 'https://u:secret@r.example/x'], /"https:\/\/\*{8}@r\.example\/x" must be a registry/],
    [['org/*', 'r.example', '--platform', 'amd64'], /--platform amd64: must be a platform/],
    [['org/*', 'r.example', '--rate', 'fast'], /--rate fast: must be bytes per second/],
    [['org/*', 'r.example', '--token-realm', 'x'], /--token-realm x: must be a URL/],
  ] as const) {
    let stderr = ''
    const streams = { env: {}, stdout: { write() {} }, stderr: { write: (text: string) => (stderr += text) } }
    assert.equal(await run(table, ['push', ...args], streams), 64)
    assert.match(stderr, message)
  }
})
