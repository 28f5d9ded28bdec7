/** One archive of five images, in everything that reads archives. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { runCommand } from '../support/run-command.ts'
import { type TempFolder, tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { containersSettings } from './support/containers-settings.ts'
import { dockerd } from './support/dockerd.ts'
import { addFiveImages, type CarriedImage } from './support/five-images.ts'
import { newerRoot } from './support/newer-root.ts'
import { flags } from './support/processes.ts'
import { THIS_MACHINE } from './support/system.ts'

const { skipWithout, succeed } = THIS_MACHINE
const newer = await newerRoot()

suite('one archive of five images', () => {
  let temp: TempFolder
  let upstream: FakeUpstream
  let proxy: Proxy
  let images: readonly CarriedImage[]
  let runnable: readonly CarriedImage[]
  let file: string
  /** Without the artifact, which is no image that an engine unpacks. */
  let imagesOnly: string

  before(async () => {
    temp = await tempFolder()
    upstream = await fakeUpstream({ referrers: true })
    proxy = await startProxy({ upstream })
    images = await addFiveImages(upstream)
    runnable = images.filter(({ config }) => config !== undefined)
    const server = ['--server', proxy.adminUrl]
    const warmed = await runCommand(['warm', ...images.map(({ name }) => name), ...server])
    assert.equal(warmed.code, 0, warmed.stdout)
    file = join(temp.path, 'five.tar')
    imagesOnly = join(temp.path, 'four.tar')
    const all = await runCommand(['export', '**', '--referrers', '-o', file, ...server])
    assert.equal(all.code, 0, all.stderr)
    const some = runnable.map(({ name }) => name)
    assert.equal((await runCommand(['export', ...some, '-o', imagesOnly, ...server])).code, 0)
  })
  after(async () => {
    await proxy[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
    await temp[Symbol.asyncDispose]()
  })

  const folder = async (name: string): Promise<string> => {
    const path = join(temp.path, name)
    await mkdir(path)
    return path
  }

  for (const { of, system, isContainerdStore } of [
    { of: "Debian 12's dockerd", system: THIS_MACHINE, isContainerdStore: false },
    { of: 'the newest dockerd with the graph driver', system: newer, isContainerdStore: false },
    { of: 'the newest dockerd with the containerd store', system: newer, isContainerdStore: true },
  ]) {
    test(
      `${of} loads its images`,
      { skip: system.skipWithout('dockerd', 'docker', 'containerd') },
      async () => {
        await using daemon = await dockerd(await folder(of.replaceAll(/\W/g, '-')), '{}', {
          system,
          isContainerdStore,
        })
        // The artifact is no image that the containerd store unpacks.
        await daemon.docker('load', '--input', isContainerdStore ? imagesOnly : file)
        for (const { name, config, digest } of runnable) {
          const id = (await daemon.docker('image', 'inspect', '--format', '{{.Id}}', name)).trim()
          assert.equal(id, isContainerdStore ? digest : config)
        }
      },
    )
  }

  for (const [of, system] of [
    ["Debian 12's podman", THIS_MACHINE],
    ['the newest podman', newer],
  ] as const) {
    test(`${of} loads its images`, { skip: system.skipWithout('podman') }, async () => {
      const own = await folder(of.replaceAll(/\W/g, '-'))
      const { env, policy } = await containersSettings(own, '127.0.0.1:1')
      const store = flags({ root: join(own, 'root'), runroot: join(own, 'run'), 'storage-driver': 'vfs' })
      const podman = (...args: readonly string[]) => system.succeed('podman', [...store, ...args], env)
      await podman('load', '--signature-policy', policy, '--input', file)
      for (const { name, config } of runnable)
        assert.equal(
          `sha256:${(await podman('image', 'inspect', '--format', '{{.Id}}', name)).trim()}`,
          config,
        )
    })
  }

  for (const [of, system, local] of [
    ["Debian 12's containerd", THIS_MACHINE, []],
    // Its transfer service unpacks only with the snapshotters that the daemon is configured for.
    ['the newest containerd', newer, ['--local']],
  ] as const) {
    test(`${of} imports its images`, { skip: system.skipWithout('containerd', 'ctr') }, async () => {
      await using daemon = await containerd(await folder(of.replaceAll(/\W/g, '-')), { system })
      await daemon.ctr('images', 'import', ...local, '--snapshotter', 'native', imagesOnly)
      const listed = await daemon.ctr('images', 'ls')
      for (const { name, digest } of runnable) {
        const line = listed.split('\n').find((text) => text.startsWith(`${name} `))
        assert.ok(line?.includes(digest), `${name} in\n${listed}`)
      }
      // The artifact has nothing to unpack, and is content like the others.
      await daemon.ctr('images', 'import', ...local, '--no-unpack', file)
      assert.ok((await daemon.stored()).includes(images.at(-1)!.digest))
    })
  }

  test('skopeo reads each of them', { skip: skipWithout('skopeo') }, async () => {
    const { env } = await containersSettings(await folder('skopeo'), '127.0.0.1:1')
    await succeed('tar', ['-xf', file, '-C', await folder('layout')])
    // Tags name entries of a layout; those of several images may be the same.
    const tagged = images.filter(({ tag }, _, all) => all.filter((one) => one.tag === tag).length === 1)
    assert.ok(tagged.length > 0)
    for (const { tag, digest } of tagged) {
      const raw = await succeed(
        'skopeo',
        ['inspect', '--raw', `oci:${join(temp.path, 'layout')}:${tag}`],
        env,
      )
      assert.ok(digest.startsWith('sha256:') && raw.includes('schemaVersion'))
    }
    for (const { name, config } of runnable) {
      const inspected = await succeed(
        'skopeo',
        ['inspect', '--config', '--raw', `docker-archive:${file}:${name}`],
        env,
      )
      assert.ok(inspected.includes('rootfs'), config)
    }
  })

  test('what skopeo writes is taken in', { skip: skipWithout('skopeo') }, async () => {
    const { env, policy } = await containersSettings(await folder('written'), '127.0.0.1:1')
    const [{ name, config }] = runnable as readonly [CarriedImage]
    const other = join(temp.path, 'skopeo.tar')
    const copy = ['--policy', policy, 'copy', `docker-archive:${file}:${name}`]
    await succeed('skopeo', [...copy, `oci-archive:${other}:first`], env)
    await using offline = await startProxy({
      upstream: { url: 'http://127.0.0.1:1' },
      upstreamConfig: { offline: true },
    })
    const to = ['--server', offline.adminUrl]
    assert.match((await runCommand(['import', other, ...to])).stderr, /say --as UPSTREAM\/REPOSITORY/)
    const imported = await runCommand(['import', other, '--as', 'docker.io/library/other', ...to])
    assert.equal(imported.code, 0, imported.stderr)
    const inspect = [
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://127.0.0.1:${offline.port}/library/other:first`,
    ]
    assert.ok((await succeed('skopeo', inspect, env)).includes(config!))
  })

  test('oras reads its artifact and what refers to it', { skip: newer.skipWithout('oras') }, async () => {
    const layout = await folder('oras-layout')
    await succeed('tar', ['-xf', file, '-C', layout])
    const artifact = images.at(-1)!
    const discovered = await newer.succeed('oras', [
      'discover',
      '--format',
      'json',
      '--oci-layout',
      `${layout}@${artifact.digest}`,
    ])
    assert.match(discovered, /application\/vnd\.example\.signature/)
  })

  test(
    'an empty offline Entrepot takes it in, and serves all of it to clients',
    { skip: skipWithout('skopeo') },
    async () => {
      await using offline = await startProxy({
        upstream: { url: 'http://127.0.0.1:1' },
        upstreamConfig: { offline: true },
      })
      const imported = await runCommand(['import', file, '--server', offline.adminUrl])
      assert.equal(imported.code, 0, imported.stderr)
      const { env, policy } = await containersSettings(await folder('served'), '127.0.0.1:1')
      for (const { repository, tag, digest } of images) {
        for (const reference of [`:${tag}`, `@${digest}`]) {
          const source = `docker://127.0.0.1:${offline.port}/${repository}${reference}`
          const target = `dir:${await folder(`out-${repository.replace('/', '-')}-${reference.slice(1, 8)}`)}`
          await succeed(
            'skopeo',
            ['--policy', policy, 'copy', '--all', '--src-tls-verify=false', source, target],
            env,
          )
        }
      }
    },
  )
})
