/** `entrepot setup` through the front door. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { stringify } from 'yaml'
import { registryUrl } from '../../src/config/registry-url.ts'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'

const LISTEN = { host: '0.0.0.0', port: 5000, maxConnections: 1, maxConnectionsPerAddress: 1 }

async function configFile(folder: string, config: object = {}): Promise<string> {
  const file = join(folder, 'proxy.config.yaml')
  await writeFile(file, stringify(config))
  return file
}

suite('entrepot setup', () => {
  test('--write keeps what was there beside it, and writes nothing the second time', async () => {
    await using folder = await tempFolder()
    const config = await configFile(folder.path)
    const old = '{ "debug": true }'
    await mkdir(join(folder.path, 'etc', 'docker'), { recursive: true })
    await writeFile(join(folder.path, 'etc', 'docker', 'daemon.json'), old, { mode: 0o600 })
    const write = () =>
      runEntrepot('setup', 'docker', '--write', '--root', folder.path, '--config', config, '--json')
    const first = await write()
    assert.deepEqual([first.code, first.stderr], [0, ''])
    const { files, commands } = JSON.parse(first.stdout) as {
      files: { path: string; content: string; backup: string | null; written: boolean }[]
      commands: string[]
    }
    assert.deepEqual(commands, ['systemctl restart docker'])
    for (const { path, content, written } of files) {
      assert.equal(written, true)
      assert.equal(await readFile(join(folder.path, path), 'utf8'), content)
    }
    const [daemon, ...hosts] = files
    assert.match(daemon!.backup!, /^\/etc\/docker\/daemon\.json\.before-\d{8}T\d{6}Z$/)
    assert.equal(await readFile(join(folder.path, daemon!.backup!), 'utf8'), old)
    assert.equal(hosts.length, 7)
    assert.ok(hosts.every(({ backup }) => backup === null))

    const again = await runEntrepot(
      ...['setup', 'docker', '--write', '--root', folder.path, '--config', config],
    )
    const lines = again.stdout.trimEnd().split('\n').slice(0, 8)
    assert.ok(
      lines.every((line) => line.startsWith(`unchanged: ${folder.path}/etc/docker/`)),
      again.stdout,
    )
    assert.equal((await readdir(join(folder.path, 'etc', 'docker'))).length, 3)
  })

  test('where the cache is: as configured, a wildcard by the name of the machine, or as given', async () => {
    await using folder = await tempFolder()
    const cases: readonly [config: object, args: readonly string[], url: string][] = [
      [{}, [], `http://${hostname().toLowerCase()}:5000`],
      [{ listen: { host: '127.0.0.1', port: 5005 } }, [], 'http://127.0.0.1:5005'],
      [{ listen: { host: '::', port: 80 } }, [], `http://${hostname().toLowerCase()}`],
      [{}, ['--registry', 'https://cache.example'], 'https://cache.example'],
    ]
    for (const [config, args, url] of cases) {
      const file = await configFile(folder.path, config)
      const { stdout } = await runEntrepot('setup', 'k3s', ...args, '--config', file, '--root', folder.path)
      assert.ok(stdout.includes(`- ${url}\n`), stdout)
    }
    const free = await configFile(folder.path, { listen: { port: 0 } })
    const { code, stderr } = await runEntrepot('setup', 'k3s', '--config', free)
    assert.equal(code, 1)
    assert.match(stderr, /listen\.port is 0: say with --registry/)
  })

  test('with --server, the registries are those of that process', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({
      upstream,
      config: { publicUpstreams: false, upstreams: { 'only.example': { url: upstream.url } } },
    })
    const { stdout, stderr } = await runEntrepot(
      ...[
        'setup',
        'podman',
        '--server',
        proxy.adminUrl,
        '--registry',
        'http://cache:5000',
        '--root',
        '/nowhere',
      ],
    )
    assert.match(stdout, /prefix = "only\.example"/, stderr)
    assert.doesNotMatch(stdout, /quay\.io/)
    const without = await runEntrepot('setup', 'podman', '--server', proxy.adminUrl)
    assert.equal(without.code, 1)
    assert.match(without.stderr, /listen\.port is 0: say with --registry/)
  })

  test('with --server and without --registry, that process tells where it listens', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const status = (await (await fetch(`${proxy.adminUrl}/api/v1/upstreams`)).json()) as object
    const server = createServer((_, response) => {
      response.end(
        JSON.stringify({ ...status, registry: registryUrl({ ...LISTEN, host: '127.0.0.1', port: 5005 }) }),
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const { stdout, stderr } = await runEntrepot(
        ...['setup', 'k3s', '--server', `http://127.0.0.1:${port}`, '--root', '/nowhere'],
      )
      assert.ok(stdout.includes('- http://127.0.0.1:5005\n'), stdout + stderr)
    } finally {
      server.closeAllConnections()
      server.close()
    }
    const cases = [
      [{ host: '0.0.0.0' }, `http://${hostname().toLowerCase()}:5000`],
      [{ host: '::1' }, 'http://[::1]:5000'],
      [{ port: 0 }, undefined],
    ] as const
    for (const [listen, url] of cases) assert.equal(registryUrl({ ...LISTEN, ...listen }), url)
  })

  test('a version may be a major one alone', async () => {
    const printed = async (version: string) =>
      (
        await runEntrepot(
          ...[
            'setup',
            'docker',
            '--client-version',
            version,
            '--registry',
            'http://c:5000',
            '--root',
            '/nowhere',
          ],
        )
      ).stdout
    assert.equal(await printed('29'), await printed('29.0'))
    assert.notEqual(await printed('29'), await printed('28'))
  })

  test('mistakes are told with what was meant', async () => {
    const cases: readonly [args: readonly string[], said: RegExp][] = [
      [['setup'], /setup needs docker\|containerd/],
      [['setup', 'dcoker'], /unknown client dcoker, did you mean docker\? \(one of docker, containerd, k3s,/],
      [['setup', 'docker', '--registry', 'cache:5000'], /--registry must be a URL such as http/],
      [['setup', 'docker', '--registry', 'http://cache/v2'], /--registry must be a URL such as http/],
      [['setup', 'docker', '--client-version', 'new'], /--client-version must be a version such as 2\.1/],
    ]
    for (const [args, said] of cases) {
      const { code, stderr } = await runEntrepot(...args)
      assert.equal(code, 64, stderr)
      assert.match(stderr, said)
    }
  })
})
