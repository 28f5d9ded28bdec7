/** Every command through the front door: against a proxy that runs, and against the store it left. */
import assert from 'node:assert/strict'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { authority } from '../support/certificates.ts'
import { type Outcome, runEntrepot } from '../support/child.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf, selfSignedCertificate } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder, type TempFolder } from '../support/temp-folder.ts'

const MiB = 1024 * 1024
const [base, one, two] = [blobOf(2 * MiB, 1), blobOf(MiB, 2), blobOf(MiB / 2, 3)]
const config = { cache: { pin: ['quay.io/*'] } }

for (const state of ['runs', 'is stopped'] as const) {
  suite(`while the proxy ${state}`, () => {
    let folder: TempFolder
    let upstream: FakeUpstream
    let proxy: Proxy
    let file: string

    before(async () => {
      folder = await tempFolder()
      upstream = await fakeUpstream()
      upstream.addBlob(base.bytes)
      proxy = await startProxy({ upstream, folder: folder.path, config })
      for (const [tag, layer] of [
        ['1', one],
        ['2', two],
      ] as const) {
        upstream.addBlob(layer.bytes)
        upstream.addManifest('org/app', tag, manifestOf([base.bytes, layer.bytes]), OCI_MANIFEST)
        await call(proxy.port, 'GET', `/v2/org/app/manifests/${tag}`)
        for (const { digest } of [base, layer]) {
          const pull = () => call(proxy.port, 'GET', `/v2/org/app/blobs/${digest}`)
          await eventually(async () => (await pull()).headers['cache-status'] === 'entrepot; hit')
        }
      }
      file = join(folder.path, 'commands.yaml')
      const written = parse(await readFile(join(folder.path, 'proxy.config.yaml'), 'utf8')) as object
      const port = Number(new URL(proxy.adminUrl).port)
      await writeFile(file, stringify({ ...written, admin: { host: '127.0.0.1', port } }))
      if (state === 'is stopped') await proxy.stop()
    })
    after(async () => {
      await proxy[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    })

    const entrepot = (...args: readonly string[]): Promise<Outcome> => runEntrepot(...args, '--config', file)

    test('ls', async () => {
      const { code, stdout, stderr } = await entrepot('ls')
      assert.deepEqual([code, stderr], [0, ''])
      const [head, ...lines] = stdout.trimEnd().split('\n')
      assert.match(head!, /^IMAGE +SIZE +AGE +LAST USE +HITS$/)
      assert.equal(lines.length, 2)
      assert.match(lines[0]!, /^docker\.io\/org\/app:2 +2\.5 MiB +(now|\d+ s) +(now|\d+ s) +\d+$/)
      assert.match(lines[1]!, /^docker\.io\/org\/app:1 +3\.0 MiB /)
      const mistaken = await entrepot('ls', 'a b')
      assert.equal(mistaken.code, 64)
      assert.match(mistaken.stderr, /^entrepot: "a b" must be an image pattern such as .*\n$/)
      assert.deepEqual(await entrepot('ls', 'org/none'), {
        code: 1,
        stdout: '',
        stderr: 'nothing matches docker.io/org/none\n',
      })
      assert.deepEqual(await entrepot('ls', 'org/none', '--json'), {
        code: 1,
        stdout: '[]\n',
        stderr: 'nothing matches docker.io/org/none\n',
      })
      const { images } = JSON.parse(`{"images":${(await entrepot('ls', 'org/*:1', '--json')).stdout}}`)
      assert.deepEqual(
        images.map(({ image, pinned }: { image: string; pinned: boolean }) => ({ image, pinned })),
        [{ image: 'docker.io/org/app:1', pinned: false }],
      )
    })

    test('ls --sort, --limit', async () => {
      const images = async (...args: readonly string[]) => {
        const { stdout } = await entrepot('ls', ...args, '--json')
        return (JSON.parse(stdout) as { readonly image: string }[]).map(({ image }) => image.slice(-1))
      }
      assert.deepEqual(await images('--sort', 'size'), ['1', '2'])
      assert.deepEqual(await images('--sort', 'age'), ['2', '1'])
      assert.deepEqual(await images('--sort', 'size', '--limit', '1'), ['1'])
      const mistaken = await entrepot('ls', '--sort', 'name')
      assert.equal(mistaken.code, 64)
      assert.match(mistaken.stderr, /^entrepot: --sort must be one of size, age, use, hits/)
      assert.equal((await entrepot('ls', '--limit', '0')).code, 64)
    })

    test('du', async () => {
      const { code, stdout } = await entrepot('du')
      assert.equal(code, 0)
      assert.match(stdout, /^docker\.io +3\.5 MiB +5$/m)
      assert.match(stdout, /^ {2}org\/app +3\.5 MiB +5$/m)
      assert.match(stdout, /^all +3\.5 MiB +5$/m)
      assert.match(stdout, /^index +\d+ KiB *$/m)
      assert.match(stdout, /^unfinished downloads +0 B *$/m)
      assert.equal(JSON.parse((await entrepot('du', '--json')).stdout).objects, 5)
    })

    test('pin, unpin', async () => {
      const pinned = await entrepot('pin', 'org/app:2')
      assert.deepEqual(pinned, {
        code: 0,
        stdout: 'pinned docker.io/org/app:2, which matches 1 image now\n',
        stderr: '',
      })
      assert.match((await entrepot('pin', 'docker.io/org/app:2')).stdout, /^already pinned/)
      assert.match(
        (await entrepot('pin')).stdout,
        /^quay\.io\/\* +configuration\ndocker\.io\/org\/app:2 +(now|\d+ s)\n$/m,
      )
      assert.match((await entrepot('ls', 'org/app:2')).stdout, / pinned$/m)
      const refused = await entrepot('purge', 'org/app:2')
      assert.deepEqual(refused, { code: 1, stdout: '', stderr: 'docker.io/org/app:2 is pinned, and stays\n' })
      assert.equal((await entrepot('unpin', 'org/app:2')).stdout, 'unpinned docker.io/org/app:2\n')
      const twice = await entrepot('unpin', 'org/app:2')
      assert.deepEqual([twice.code, twice.stderr], [1, 'docker.io/org/app:2 is not pinned\n'])
      assert.deepEqual(JSON.parse((await entrepot('pin', 'org/x', '--json')).stdout), {
        pattern: 'docker.io/org/x',
        added: true,
        images: 0,
      })
      const { stdout } = await entrepot('pin', '--json')
      assert.deepEqual(
        JSON.parse(stdout).map(({ pattern }: { pattern: string }) => pattern),
        ['quay.io/*', 'docker.io/org/x'],
      )
      const removed = await entrepot('unpin', 'org/x', '--json')
      assert.deepEqual(JSON.parse(removed.stdout), { pattern: 'docker.io/org/x', removed: true })
      const configured = await entrepot('unpin', 'quay.io/*')
      assert.deepEqual([configured.code, /by the configuration/.test(configured.stderr)], [1, true])
    })

    test('F65 verify: lines of progress, a report of what is bad, and exit code 1', async () => {
      const whole = await entrepot('verify', '--rate', '1GiB')
      assert.equal(whole.code, 0, whole.stderr)
      assert.equal(whole.stdout, 'verified 5 objects, 3.5 MiB: no damage found\n')
      assert.match(whole.stderr, /^100 %, 3\.5 MiB of 3\.5 MiB$/m)
      const hex = one.digest.slice(7)
      await truncate(join(folder.path, 'data/blobs/sha256', hex.slice(0, 2), hex), 100)
      const found = await entrepot('verify', '--rate', '1GiB')
      assert.equal(found.code, 1)
      assert.match(
        found.stdout,
        new RegExp(`^${one.digest} +1\\.0 MiB +wrong size +docker\\.io/org/app$`, 'm'),
      )
      const { bad } = JSON.parse((await entrepot('verify', '--json')).stdout)
      assert.deepEqual(bad, [])
    })

    test('purge: what goes, and that what others use stays', async () => {
      const nothing = await entrepot('purge', 'org/nothing')
      assert.deepEqual(nothing, { code: 1, stdout: '', stderr: 'nothing matches docker.io/org/nothing\n' })
      const dry = await entrepot('purge', 'org/app:2', '--dry-run')
      assert.match(
        dry.stdout,
        /^docker\.io\/org\/app:2 +2\.5 MiB\nwould remove: 1 image, 2 objects, 51\d KiB\n$/,
      )
      const { images, objects } = JSON.parse(
        (await entrepot('purge', 'org/app:2', '--dry-run', '--json')).stdout,
      )
      assert.deepEqual([images.length, images[0].image, objects], [1, 'docker.io/org/app:2', 2])
      const done = await entrepot('purge', 'org/app:2')
      assert.equal(done.stdout, dry.stdout.replace('would remove', 'removed'))
      assert.match((await entrepot('ls')).stdout, /^docker\.io\/org\/app:1 +2\.0 MiB/m)
      if (state === 'is stopped') return
      const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
      assert.match(metrics, /^entrepot_evictions_total\{reason="purge"\} 2$/m)
      const path = `/v2/org/app/blobs/${base.digest}`
      assert.equal((await call(proxy.port, 'GET', path)).headers['cache-status'], 'entrepot; hit')
    })
  })
}

suite('a command on a server that is not on this machine, or has another certificate', () => {
  const token = 'the-token-of-the-operator'

  test('with --server and --token it needs no configuration; a name is completed by the server', async () => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('app', '1', manifestOf([one.bytes]), OCI_MANIFEST)
    const config = {
      upstreams: { mirror: { url: upstream.url } },
      admin: { host: '127.0.0.1', port: 0, token },
    }
    await using proxy = await startProxy({ upstream, config })
    await call(proxy.port, 'GET', '/v2/mirror/app/manifests/1')
    const absent = join(proxy.folder, 'absent.yaml')
    const on = (...args: readonly string[]) =>
      runEntrepot(...args, '--config', absent, '--server', proxy.adminUrl, '--token', token)
    assert.match((await on('ls', 'mirror/*')).stdout, /^mirror\/app:1 /m)
    assert.match((await on('pin', 'mirror/app')).stdout, /^pinned mirror\/app, which matches 1 image now\n$/)
    const refused = await runEntrepot('du', '--server', 'ftp://a')
    assert.equal(refused.code, 64)
    assert.match(refused.stderr, /^entrepot: --server must be an http or https URL /)
  })

  test('FR-34: over https by --server, with the authorities of --ca', async () => {
    await using upstream = await fakeUpstream()
    await using folder = await tempFolder()
    const [ca, other] = [authority(), authority('Another')]
    const { cert, key } = ca.server()
    for (const [name, text] of Object.entries({
      'a.crt': cert,
      'a.key': key,
      'ca.pem': ca.cert,
      'other.pem': other.cert,
      'empty.pem': '',
    })) {
      await writeFile(join(folder.path, name), text)
    }
    const config = { admin: { host: '127.0.0.1', port: 0, token, tls: { cert: './a.crt', key: './a.key' } } }
    await using proxy = await startProxy({ upstream, folder: folder.path, config })
    const pin = (...args: readonly string[]) =>
      runEntrepot('pin', 'node', '--server', proxy.adminUrl, '--token', token, ...args)
    const pinned = await pin('--ca', join(folder.path, 'ca.pem'))
    assert.deepEqual([pinned.code, pinned.stderr], [0, ''])
    for (const args of [[], ['--ca', join(folder.path, 'other.pem')]]) {
      const { code, stderr } = await pin(...args)
      assert.equal(code, 1)
      assert.match(stderr, /does not answer \((?:UNABLE|SELF|DEPTH|ERR)_\w+\)/)
    }
    for (const name of ['empty.pem', 'absent.pem']) {
      const { code, stderr } = await pin('--ca', join(folder.path, name))
      assert.equal(code, 64)
      assert.match(stderr, /^entrepot: --ca \S+: .+\n$/)
    }
  })

  test('FR-34: by the configuration over https, with its certificate and no other', async () => {
    await using upstream = await fakeUpstream()
    const [own, other] = [selfSignedCertificate(), selfSignedCertificate()]
    await using folder = await tempFolder()
    for (const [name, text] of Object.entries({
      'a.crt': own.cert,
      'a.key': own.key,
      'b.crt': other.cert,
      'b.key': other.key,
    })) {
      await writeFile(join(folder.path, name), text)
    }
    const tls = { cert: './a.crt', key: './a.key' }
    const config = { admin: { host: '127.0.0.1', port: 0, token, tls } }
    await using proxy = await startProxy({ upstream, folder: folder.path, config })
    const file = join(folder.path, 'commands.yaml')
    const admin = { host: '127.0.0.1', port: Number(new URL(proxy.adminUrl).port), token }
    await writeFile(file, stringify({ admin: { ...admin, tls } }))
    const pinned = await runEntrepot('pin', 'node', '--config', file)
    assert.deepEqual([pinned.code, pinned.stderr], [0, ''])
    await writeFile(file, stringify({ admin: { ...admin, tls: { cert: './b.crt', key: './b.key' } } }))
    const refused = await runEntrepot('pin', 'node', '--config', file)
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    assert.match(refused.stderr, /^entrepot: the admin listener https:\/\/127\.0\.0\.1:\d+ does not answer /)
  })
})

suite('what a command says when it cannot', () => {
  test('a proxy runs, and its admin listener is off, or elsewhere', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const file = join(proxy.folder, 'commands.yaml')
    await writeFile(file, 'storage: { root: ./data }\nadmin: false\n')
    const off = await runEntrepot('ls', '--config', file)
    assert.deepEqual(off, {
      code: 1,
      stdout: '',
      stderr: `entrepot: process ${process.pid} has the store open, and its admin listener is off (admin: false): stop the process, or turn the listener on\n`,
    })
    // The registry's own listener is no admin API.
    await writeFile(file, `storage: { root: ./data }\nadmin: { port: ${proxy.port} }\n`)
    const other = await runEntrepot('du', '--config', file)
    assert.equal(other.code, 1)
    assert.match(
      other.stderr,
      /^entrepot: http:\/\/127\.0\.0\.1:\d+ answered 404: that is a registry, and not the admin listener .*\n$/,
    )
    await writeFile(file, 'storage: { root: ./data }\nadmin: { port: 1 }\n')
    assert.match(
      (await runEntrepot('ls', '--config', file)).stderr,
      /^entrepot: the admin listener http:\/\/127\.0\.0\.1:1 does not answer \(ECONNREFUSED\): nothing listens there; .+\n$/,
    )
  })

  test('there is no store: it makes none', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'proxy.config.yaml')
    await writeFile(file, '')
    const { code, stderr } = await runEntrepot('ls', '--config', file)
    assert.deepEqual([code, stderr], [1, `entrepot: there is no store in ${join(folder.path, 'data')}\n`])
  })

  test('a mistake is one line, and exit code 64', async () => {
    for (const [args, line] of [
      [['lst'], /^entrepot: unknown command lst, did you mean ls\? \(see entrepot help\)\n$/],
      [['ls', '--jsn'], /^entrepot: unknown option --jsn for ls, did you mean --json\?.*\n$/],
      [['verify', '--rate', 'fast', '--config', '/dev/null'], /^entrepot: --rate fast: must be .*\n$/],
    ] as const) {
      const { code, stdout, stderr } = await runEntrepot(...args)
      assert.deepEqual([code, stdout], [64, ''])
      assert.match(stderr, line)
    }
  })

  test('--version tells the version, with and without a command', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    for (const args of [['--version'], ['serve', '--version'], ['ls', '--version']]) {
      assert.deepEqual(await runEntrepot(...args), { code: 0, stdout: `entrepot ${version}\n`, stderr: '' })
    }
  })

  test('help tells all commands, on request without complaint', async () => {
    for (const args of [['help'], ['-h']]) {
      const { code, stdout } = await runEntrepot(...args)
      assert.equal(code, 0)
      for (const command of ['serve', 'ls', 'du', 'purge', 'pin', 'unpin', 'verify'])
        assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'))
    }
    const bare = await runEntrepot()
    assert.deepEqual([bare.code, bare.stdout], [64, ''])
    assert.match(bare.stderr, /^usage:/)
  })
})
