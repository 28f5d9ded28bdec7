/** The image: built without a network, twice the same, and run as people run it. */
import assert from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { readImageConfig } from '../../packaging/image/containerfile.ts'
import { eventually } from '../support/fixtures.ts'
import { faultLink } from '../support/fault-link.ts'
import { type TempFolder, tempFolder } from '../support/temp-folder.ts'
import { type ComposeRun, composeRun } from './support/compose-flags.ts'
import { type Dockerd, dockerd } from './support/dockerd.ts'
import { type BuiltImage, buildContext, buildImage } from './support/image-build.ts'
import { type Image, pushLayers, REPOSITORY } from './support/images.ts'
import { freePort, missing, succeed } from './support/processes.ts'
import { documentedCommands } from './support/readme.ts'
import { realRegistry } from './support/registry.ts'

const MiB = 1024 * 1024
const ROOT = new URL('../..', import.meta.url)
const DOCUMENT = 'docs/install.md'
const programs = ['dockerd', 'docker', 'containerd', 'docker-registry', 'skopeo', 'buildah', 'readelf', 'tar']

suite('the image', { skip: missing(...programs) }, () => {
  let folder: TempFolder
  let built: BuiltImage
  let again: BuiltImage
  before(async () => {
    folder = await tempFolder()
    // The second in another folder, from no more than what Containerfile copies.
    const context = await buildContext(join(folder.path, 'context'))
    const builds = [buildImage(join(folder.path, 'one')), buildImage(join(folder.path, 'two'), context)]
    ;[built, again] = (await Promise.all(builds)) as [BuiltImage, BuiltImage]
  })
  after(() => folder[Symbol.asyncDispose]())

  test('two builds give one digest, and the same archives to the byte', async () => {
    // What the document says, and what this suite does.
    assert.deepEqual(await documentedCommands(DOCUMENT, 'build'), [
      'npm ci && packaging/image/build.sh',
      'docker load --input image/entrepot-amd64.tar',
    ])
    assert.match(built.digest, /^sha256:[0-9a-f]{64}$/)
    assert.equal(again.digest, built.digest)
    for (const of of [
      (each: BuiltImage) => each.archive('amd64'),
      (each: BuiltImage) => each.archive('arm64'),
    ])
      await succeed('cmp', [of(built), of(again)])
  })

  for (const [architecture, machine] of [
    ['amd64', 'X86-64'],
    ['arm64', 'AArch64'],
  ] as const) {
    test(`one index has ${architecture}: at most 60 MB, not root, with what it needs and labels`, async () => {
      const of = ['--override-os=linux', `--override-arch=${architecture}`, 'inspect', '--config']
      const image = JSON.parse(await succeed('skopeo', [...of, '--raw', built.reference]))
      assert.equal(image.architecture, architecture)
      assert.equal(image.config.User, '65532:65532')
      assert.equal(image.config.Healthcheck.Test[0], 'CMD')
      assert.match(image.config.Labels['org.opencontainers.image.revision'], /^[0-9a-f]{40}$|^unknown$/)
      const root = join(folder.path, architecture)
      await mkdir(root)
      await succeed('tar', ['xf', built.archive(architecture), '-C', root])
      const [{ Layers: layers }] = JSON.parse(await readFile(join(root, 'manifest.json'), 'utf8'))
      assert.equal(layers.length, 1)
      const { size } = await stat(join(root, layers[0]))
      assert.ok(size <= 60e6, `${size} bytes`)
      const listing = await succeed('tar', ['tvf', join(root, layers[0]), '--numeric-owner'])
      assert.match(listing, /^drwx------ 65532\/65532 .* data\/$/m)
      assert.match(listing, /^drwxrwxrwt 0\/0 .* tmp\/$/m)
      const others = listing.split('\n').filter((line) => line !== '' && !/ 0\/0 /.test(line))
      assert.equal(others.length, 1, others.join('\n'))
      await succeed('tar', [
        'xf',
        join(root, layers[0]),
        '-C',
        root,
        '--no-same-owner',
        './usr/bin/node',
        './lib',
      ])
      const node = join(root, 'usr', 'bin', 'node')
      assert.match(await succeed('readelf', ['-h', node]), new RegExp(`Machine:.*${machine}`))
    })
  }

  test('its settings are those that buildah reads in the Containerfile', async () => {
    const context = join(folder.path, 'settings')
    await mkdir(context)
    const text = await readFile(new URL('Containerfile', ROOT), 'utf8')
    const [, lastStage] = /\n(FROM scratch\n[^]*)$/.exec(text)!
    await writeFile(join(context, 'Containerfile'), lastStage!.replaceAll(/^COPY .*\n/gm, ''))
    const env = { STORAGE_DRIVER: 'vfs', BUILDAH_ISOLATION: 'chroot' }
    const roots = ['--root', join(folder.path, 'storage'), '--runroot', join(folder.path, 'run')]
    const args = ['--format', 'docker', '--build-arg', 'VERSION=1.2.3', '--build-arg', 'REVISION=abc']
    const id = (await succeed('buildah', [...roots, 'build', '--quiet', ...args, context], env)).trim()
    const { Docker } = JSON.parse(await succeed('buildah', [...roots, 'inspect', '--type', 'image', id], env))
    const config = readImageConfig(new URL('Containerfile', ROOT).pathname, {
      VERSION: '1.2.3',
      REVISION: 'abc',
    })
    delete Docker.config.Labels['io.buildah.version']
    for (const [key, value] of Object.entries(config)) assert.deepEqual(Docker.config[key], value, key)
  })

  test('a registry has it under one digest, for both platforms', async () => {
    await using registry = await realRegistry(join(folder.path, 'others'))
    const [command] = await documentedCommands(DOCUMENT, 'push')
    const [, copy, ...words] = command!
      .replace('registry.example.com', registry.authority)
      .replace(/oci-archive:\S+/, built.reference)
      .split(' ')
    await succeed('skopeo', ['--insecure-policy', copy!, '--dest-tls-verify=false', ...words])
    const headers = { Accept: 'application/vnd.oci.image.index.v1+json' }
    const tagged = await fetch(`${registry.url}/v2/infra/entrepot/manifests/0.2.0`, { headers })
    assert.equal(tagged.headers.get('Docker-Content-Digest'), built.digest)
    const { manifests } = (await tagged.json()) as { manifests: { platform: { architecture: string } }[] }
    assert.deepEqual(
      manifests.map(({ platform }) => platform.architecture),
      ['amd64', 'arm64'],
    )
  })

  for (const [by, flagsOf] of [
    ['the documented command', documentedRun],
    ['the settings of compose.yaml', () => composeRun(new URL('compose.yaml', ROOT))],
  ] as const) {
    test(`docker runs it by ${by}: read-only, without root; pulls through it; stops it without a cut body`, async () => {
      const { flags, grace } = await flagsOf()
      for (const flag of ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'])
        assert.ok(flags.join(' ').replaceAll('=true', '').replace(':true', '').includes(flag), flag)
      assert.equal(grace, 30)
      const own = join(folder.path, by.replaceAll(' ', '-'))
      await mkdir(own)
      await runAndPull(own, built, { flags, grace })
    })
  }
})

/** What `docker run` and `docker stop` say in the document, but for the ports and the image. */
async function documentedRun(): Promise<ComposeRun> {
  const [command] = await documentedCommands(DOCUMENT, 'run')
  const text = command!.replaceAll(/--(cap-drop|security-opt|volume|restart) /g, '--$1=')
  const words = text.replaceAll(/--publish \S+/g, '').split(/\s+/)
  const flags = words.filter((word) => word.startsWith('--') && !/^--(?:detach|name)/.test(word))
  const whole = await readFile(new URL(DOCUMENT, ROOT), 'utf8')
  const [, seconds] = /`docker stop --time (\d+) entrepot`/.exec(whole)!
  return { flags, grace: Number(seconds) }
}

async function runAndPull(folder: string, built: BuiltImage, { flags, grace }: ComposeRun): Promise<void> {
  await using upstream = await realRegistry(join(folder, 'registry'))
  const quick = await pushLayers(upstream.url, 'quick', { count: 3, size: MiB })
  const slow = await pushLayers(upstream.url, 'slow', { count: 1, size: 24 * MiB })
  await using link = await faultLink(upstream.url)
  const [port, adminPort] = [await freePort(), await freePort()]
  const daemonJson = JSON.stringify({ 'registry-mirrors': [`http://127.0.0.1:${port}`] })
  const dockerFolder = join(folder, 'docker')
  await mkdir(dockerFolder)
  await using daemon = await dockerd(dockerFolder, daemonJson)
  await daemon.docker('load', '--quiet', '--input', built.archive('amd64'))

  const shipped = await readFile(new URL('packaging/image/proxy.config.yaml', ROOT), 'utf8')
  const config = join(folder, 'proxy.config.yaml')
  const settings = `listen: { port: ${port} }\nupstreams: { docker.io: { url: '${link.url}' } }\n`
  await writeFile(config, settings + shipped.replace('\nadmin:', `\nadmin:\n  port: ${adminPort}`))
  await daemon.docker(
    ...['run', '--detach', '--name', 'cache', '--network', 'host', ...flags],
    ...['--volume', `${config}:/etc/entrepot/proxy.config.yaml:ro`, '--health-interval', '1s'],
    ...['--env', `HEALTHCHECK_URL=http://127.0.0.1:${adminPort}/healthz`, 'entrepot'],
  )
  const state = async () => JSON.parse(await daemon.docker('inspect', '--format', '{{json .State}}', 'cache'))
  await eventually(async () => (await state()).Health.Status === 'healthy', 60_000)
  const { Pid } = await state()
  const status = await readFile(`/proc/${Pid}/status`, 'utf8')
  assert.match(status, /^Uid:\t65532\t65532\t65532\t65532$/m)
  assert.match(status, /^CapEff:\t0+$/m)
  assert.match(status, /^NoNewPrivs:\t1$/m)
  assert.match(status, /^NSpid:\t\d+\t1$/m)

  await pulled(daemon, quick)
  assert.match(await daemon.docker('exec', 'cache', 'entrepot', 'ls'), /docker\.io\/library\/app:quick/)
  await daemon.docker('image', 'rm', `${REPOSITORY}:quick`)
  await upstream.forget()
  await pulled(daemon, quick)
  assert.deepEqual(await upstream.requests(), [])

  link.set({ bytesPerSecond: 4 * MiB })
  let isPulled = false
  const pulling = pulled(daemon, slow).then(() => (isPulled = true))
  // Both blobs have been asked for, and the layer is on its way.
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/api/v1/transfers`)
    const { transfers } = (await answer.json()) as { transfers: readonly object[] }
    return transfers.length === 1
  }, 60_000)
  assert.equal(isPulled, false)
  await Promise.all([pulling, daemon.docker('stop', '--time', String(grace), 'cache')])
  assert.equal((await state()).ExitCode, 0)
}

async function pulled(daemon: Dockerd, { tag, configDigest }: Image): Promise<void> {
  await daemon.docker('pull', '--quiet', `${REPOSITORY}:${tag}`)
  const id = await daemon.docker('image', 'inspect', '--format', '{{.Id}}', `${REPOSITORY}:${tag}`)
  assert.equal(id.trim(), configDigest)
}
