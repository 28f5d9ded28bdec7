/** Every command through the front door: against a proxy that runs, and against the store it left. */
import assert from 'node:assert/strict'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type Outcome, runEntrepot } from '../support/child.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
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
      const { images } = JSON.parse(`{"images":${(await entrepot('ls', 'org/*:1', '--json')).stdout}}`)
      assert.deepEqual(
        images.map(({ image, pinned }: { image: string; pinned: boolean }) => ({ image, pinned })),
        [{ image: 'docker.io/org/app:1', pinned: false }],
      )
    })

    test('du', async () => {
      const { code, stdout } = await entrepot('du')
      assert.equal(code, 0)
      assert.match(stdout, /^docker\.io +3\.5 MiB +5$/m)
      assert.match(stdout, /^ {2}org\/app +3\.5 MiB +5$/m)
      assert.match(stdout, /^all +3\.5 MiB +5$/m)
      assert.equal(JSON.parse((await entrepot('du', '--json')).stdout).objects, 5)
    })

    test('pin, unpin', async () => {
      const pinned = await entrepot('pin', 'org/app:2')
      assert.deepEqual(pinned, {
        code: 0,
        stdout: 'pinned docker.io/org/app:2, which is 1 image now\n',
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
      const configured = await entrepot('unpin', 'quay.io/*')
      assert.deepEqual([configured.code, /by the configuration/.test(configured.stderr)], [1, true])
    })

    test('F65 verify: lines of progress, a report of what is bad, and exit code 1', async () => {
      const whole = await entrepot('verify', '--rate', '1GiB')
      assert.equal(whole.code, 0, whole.stderr)
      assert.equal(whole.stdout, 'verified 5 objects, 3.5 MiB: all are what they should be\n')
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
      assert.match(dry.stdout, /^docker\.io\/org\/app:2 +2\.5 MiB\nwould go: 1 image, 2 objects, 51\d KiB\n$/)
      const done = await entrepot('purge', 'org/app:2')
      assert.equal(done.stdout, dry.stdout.replace('would go', 'gone'))
      assert.match((await entrepot('ls')).stdout, /^docker\.io\/org\/app:1 +2\.0 MiB/m)
      if (state === 'is stopped') return
      const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
      assert.match(metrics, /^entrepot_evictions_total\{reason="purge"\} 2$/m)
      const path = `/v2/org/app/blobs/${base.digest}`
      assert.equal((await call(proxy.port, 'GET', path)).headers['cache-status'], 'entrepot; hit')
    })
  })
}

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
      stderr: `entrepot: process ${process.pid} has the store open and cannot be asked: its admin listener is off (admin: false). Stop it, or turn that on\n`,
    })
    // The registry's own listener is no admin API.
    await writeFile(file, `storage: { root: ./data }\nadmin: { port: ${proxy.port} }\n`)
    const other = await runEntrepot('du', '--config', file)
    assert.equal(other.code, 1)
    assert.match(other.stderr, /^entrepot: http:\/\/127\.0\.0\.1:\d+ answered 404: .*\n$/)
    await writeFile(file, 'storage: { root: ./data }\nadmin: { port: 1 }\n')
    assert.match(
      (await runEntrepot('ls', '--config', file)).stderr,
      /^entrepot: the process that has the store open does not answer on its admin listener http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)\n$/,
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
      [['lst'], /^entrepot: unknown command `lst`, did you mean `ls`\? \(.*\)\n$/],
      [['ls', '--jsn'], /^entrepot: Unknown option '--jsn'.*\n$/],
      [['verify', '--rate', 'fast', '--config', '/dev/null'], /^entrepot: --rate fast: must be .*\n$/],
    ] as const) {
      const { code, stdout, stderr } = await runEntrepot(...args)
      assert.deepEqual([code, stdout], [64, ''])
      assert.match(stderr, line)
    }
  })

  test('help tells all commands, on request without complaint', async () => {
    for (const args of [['help'], ['ls', '-h']]) {
      const { code, stdout } = await runEntrepot(...args)
      assert.equal(code, 0)
      for (const command of ['serve', 'ls', 'du', 'purge', 'pin', 'unpin', 'verify'])
        assert.match(stdout, new RegExp(`^ {2}entrepot ${command} `, 'm'))
    }
    const bare = await runEntrepot()
    assert.deepEqual([bare.code, bare.stdout], [64, ''])
    assert.match(bare.stderr, /^usage:/)
  })
})
