import assert from 'node:assert/strict'
import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { call } from '../support/raw-client.ts'
import { startService } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { missing, succeed } from './support/processes.ts'

const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
/** The limit holds for nobody that is root. */
const AS_NOBODY = isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []
const TAGS = 40_000
const layer = blobOf(300_000)

suite('a process that may start no more threads', { skip: missing('prlimit', 'setpriv') }, () => {
  test('answers all that needs none, says what it lacks for the rest, and then all is well again', async () => {
    await using folder = await tempFolder()
    if (isRoot) {
      await chown(folder.path, NOBODY, NOBODY)
      await chmod(folder.path, 0o700)
    }
    const users = join(folder.path, 'users')
    await writeFile(users, `ci:${hashSync('right', 4)}\n`, { mode: 0o644 })
    await using upstream = await fakeUpstream()
    upstream.addBlob(layer.bytes)
    upstream.addManifest('library/app', 'latest', manifestOf([layer.bytes]), OCI_MANIFEST)
    const many = Array.from({ length: 6_000 }, (_, i) => Buffer.from(`layer ${i}`))
    upstream.addManifest('library/long', 'latest', manifestOf(many), OCI_MANIFEST)
    for (let i = 0; i < TAGS; i++)
      upstream.addManifest('library/tags', `v${(i * 7919) % TAGS}`, manifestOf([]), OCI_MANIFEST)
    await using service = await startService({
      folder: folder.path,
      wrap: AS_NOBODY,
      config: {
        upstreams: { 'docker.io': { url: upstream.url } },
        access: { htpasswd: users, rules: [{ repositories: ['**'] }] },
      },
    })
    const { port, adminUrl, child } = service
    const allow = async (processes: number): Promise<void> => {
      const [command, ...args] = [
        ...AS_NOBODY,
        'prlimit',
        '--pid',
        String(child.pid),
        `--nproc=${processes}:`,
      ]
      await succeed(command!, args)
    }
    const login = [`Authorization: Basic ${Buffer.from('ci:right').toString('base64')}`]
    const get = (path: string, headers: readonly string[] = []) =>
      call(port, 'GET', `/v2/library/${path}`, headers)
    const listed = async () => (await fetch(`${adminUrl}/api/v1/images`)).status

    await allow(1)
    // Those of the start end when they have nothing to do.
    await eventually(async () => (await listed()) !== 200, 30_000)
    assert.equal((await get('app/manifests/latest')).status, 200)
    assert.ok((await get(`app/blobs/${layer.digest}`)).body.equals(layer.bytes))
    assert.equal((await get('long/manifests/latest')).status, 200)
    for (const refused of [await get('app/manifests/latest', login), await get('tags/tags/list')]) {
      const [error] = (JSON.parse(refused.body.toString()) as { errors: Record<string, unknown>[] }).errors
      assert.deepEqual(
        [refused.status, refused.headers['retry-after'], error?.['code'], error?.['message']],
        [503, '3', 'UNAVAILABLE', 'this machine lets the proxy start no thread, retry later'],
      )
    }
    assert.equal((await fetch(`${adminUrl}/readyz`)).status, 200)

    await allow(4096)
    assert.equal((await get('app/manifests/latest', login)).status, 200)
    assert.equal((await get('tags/tags/list')).status, 200)
    assert.equal(await listed(), 200)
    assert.doesNotMatch(service.text(), /a failure that nobody handled/)
  })
})
