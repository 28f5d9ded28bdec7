/** docs/install.md, done as it says by somebody who has Node.js 20 and npm. The image: image.e2e.ts. */
import assert from 'node:assert/strict'
import { cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { kubernetesDocuments } from '../support/kubernetes-document.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { blobUrl, download } from './support/download.ts'
import { helmProgram } from './support/helm.ts'
import { pushSmallImage, REPOSITORY } from './support/images.ts'
import { freePort, missing, run, start, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { documentedCommands } from './support/readme.ts'
import { realRegistry } from './support/registry.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DOCUMENT = 'docs/install.md'
/** Before our own PATH, where the Node.js of node_modules comes first. */
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin'
const MiB = 1024 * 1024

/** What git would clone, with what is changed since. */
async function cloneTo(folder: string): Promise<string> {
  const clone = join(folder, 'clone')
  await mkdir(clone)
  const listed = await succeed('git', [
    '-C',
    ROOT,
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
  ])
  for (const file of listed.split('\0').filter(Boolean)) {
    await cp(join(ROOT, file), join(clone, file), { recursive: true, verbatimSymlinks: true })
  }
  return clone
}

/**
 * Runs the commands in `folder`, and the last of them for as long as it takes to pull a blob through what it starts. What it
 * reads as its configuration is a file in `folder`.
 */
async function pullsAfter(
  commands: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  await using upstream = await fakeUpstream()
  const { bytes, digest } = blobOf(3 * MiB)
  upstream.addBlob(bytes)
  const [port, adminPort] = [await freePort(), await freePort()]
  const config = {
    listen: { port },
    admin: { port: adminPort },
    upstreams: { 'docker.io': { url: upstream.url } },
  }
  await writeFile(join(folder, 'proxy.config.yaml'), stringify(config))
  const inside = (command: string) => ['-ec', `cd "$0" && ${command}`, folder]
  const system = { PATH: SYSTEM_PATH, ...env }
  for (const command of commands.slice(0, -1)) await succeed('sh', inside(command), system)
  await using program = start('sh', inside(`exec ${commands.at(-1)}`), system)
  await program.line((line) => (line.includes('"listener":"registry"') ? true : undefined))
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined)
    return answer?.ok === true
  }, 30_000)
  assert.equal((await download(blobUrl({ url: `http://127.0.0.1:${port}` }, digest))).digest, digest)
  program.kill('SIGTERM')
  await program.exited
}

suite('docs/install.md', { skip: missing('npm', 'git') }, () => {
  test('a clone: the first pull after two commands, on the Node.js of the machine', async () => {
    await using folder = await tempFolder()
    const commands = await documentedCommands(DOCUMENT, 'clone')
    assert.deepEqual(commands, ['npm ci', 'npm start'])
    await pullsAfter(commands, await cloneTo(folder.path))
  })

  test('npm pack and npm install --global: the first pull after three, and the systemd files', async () => {
    await using folder = await tempFolder()
    const prefix = { npm_config_prefix: join(folder.path, 'prefix') }
    const env = { ...prefix, PATH: `${join(prefix.npm_config_prefix, 'bin')}:${SYSTEM_PATH}` }
    // A machine's own prefix is there; some versions of npm do not make one that is not.
    await mkdir(join(prefix.npm_config_prefix, 'lib'), { recursive: true })
    const clone = await cloneTo(folder.path)
    const commands = await documentedCommands(DOCUMENT, 'npm')
    assert.equal(commands.length, 3)
    await pullsAfter(commands, clone, env)
    const onNewer = await run('entrepot', ['--help'], { PATH: `${join(prefix.npm_config_prefix, 'bin')}` })
    assert.match(onNewer.stdout, /^ {2}serve /m)

    const root = join(folder.path, 'root')
    await mkdir(root)
    const [last, ...others] = (await documentedCommands(DOCUMENT, 'systemd')).toReversed()
    assert.equal(last, 'systemctl enable --now entrepot')
    const there = others
      .toReversed()
      .map((command) =>
        command
          .replace(/ (?=\/etc\/)/, ` ${root}`)
          .replace(/^systemd-(?:sysusers|tmpfiles)/, (program) => `${program} --root=${root}`),
      )
    await succeed('sh', ['-ec', there.join('\n')], env)
    const installed = join(root, 'etc', 'systemd', 'system', 'entrepot.service')
    const shipped = join(ROOT, 'packaging', 'systemd', 'entrepot.service')
    assert.equal(await readFile(installed, 'utf8'), await readFile(shipped, 'utf8'))
    const { gid, mode } = await stat(join(root, 'etc', 'entrepot', 'proxy.config.yaml'))
    assert.equal(mode & 0o777, 0o640)
    assert.match(await readFile(join(root, 'etc', 'group'), 'utf8'), new RegExp(`^entrepot:x:${gid}:`, 'm'))
  })

  test('Helm renders what the command installs', async (t) => {
    if (process.arch !== 'x64') return t.skip('no Helm for it')
    const [command] = await documentedCommands(DOCUMENT, 'helm')
    const words = command!.split(/\s+/).slice(2)
    const program = await helmProgram()
    const args = ['template', ...words.filter((word) => word !== '--create-namespace')]
    const yaml = await succeed('sh', ['-c', 'cd "$0" && exec "$@"', ROOT, program, ...args])
    const text = JSON.stringify(kubernetesDocuments(yaml))
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    assert.ok(text.includes(`"image":"registry.example.com/infra/entrepot:${version}"`))
    assert.match(text, /"nodePort":30500/)
  })
})

suite('write-hosts-toml.sh', { skip: missing('docker-registry', 'skopeo', 'containerd', 'ctr') }, () => {
  test('a real containerd pulls through the cache from every registry that it was given', async () => {
    await using folder = await tempFolder()
    await using upstream = await realRegistry(join(folder.path, 'registry'))
    const image = await pushSmallImage('node', upstream.url)
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
    const own = join(folder.path, 'containerd')
    await mkdir(own)
    await using daemon = await containerd(own)
    const [command] = await documentedCommands(DOCUMENT, 'nodes')
    const local = command!.replace('http://localhost:30500', proxy.url)
    await succeed('sh', ['-ec', `cd "$0" && ${local}`, ROOT], { CERTS_D: daemon.hosts })
    for (const registry of ['docker.io', 'ghcr.io']) {
      const name = `${registry}/${REPOSITORY}:${image.tag}`
      await daemon.ctr('images', 'pull', '--snapshotter', 'native', '--hosts-dir', daemon.hosts, name)
      const listed = await daemon.ctr('images', 'ls', `name==${name}`)
      assert.ok(listed.includes(image.digest), listed)
    }
  })
})
