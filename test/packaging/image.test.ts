/** What the image is to be, as Containerfile and compose.yaml say. Built and run, it is in test/e2e/image.e2e.ts. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { readImageConfig } from '../../packaging/image/containerfile.ts'
import { runEntrepot } from '../support/child.ts'
import { tempFolder } from '../support/temp-folder.ts'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const read = (path: string): string => readFileSync(at(path), 'utf8')
const config = readImageConfig(at('Containerfile'), { VERSION: '1.2.3', REVISION: 'abc' })

suite('the image', () => {
  test('runs as a numeric user, from a folder that is a volume, with an exec-form command', () => {
    assert.equal(config.User, '65532:65532')
    assert.deepEqual(config.Volumes, { '/data': {} })
    assert.deepEqual(config.ExposedPorts, { '5000/tcp': {} })
    assert.deepEqual(config.Cmd, ['serve'])
    assert.equal(config.Labels?.['org.opencontainers.image.version'], '1.2.3')
  })

  test('starts Node.js with the flags of the first line of main.ts', () => {
    const [, flags] = /^#!\/usr\/bin\/env -S node (.+)\n/.exec(read('src/main.ts'))!
    const main = '/usr/lib/entrepot/dist/main.js'
    assert.deepEqual(config.Entrypoint, ['/usr/bin/node', ...flags!.split(' '), main])
  })

  test('has its store in the volume, whatever the configuration says', () => {
    assert.ok(config.Env?.includes('ENTREPOT_STORAGE_ROOT=/data'))
  })

  test('its configuration is valid: the admin listener is for probes, but not for the world', async () => {
    const { code, stdout, stderr } = await runEntrepot(
      ...['serve', '--check', '--config', at('packaging/image/proxy.config.yaml')],
    )
    assert.equal(code, 0, stderr)
    const { admin } = parse(stdout) as {
      admin: { host: string; access: { networks: string[] } }
    }
    assert.equal(admin.host, '0.0.0.0')
    assert.ok(admin.access.networks.includes('10.0.0.0/8'))
    assert.ok(!admin.access.networks.some((network) => network.endsWith('/0')))
  })

  test('its health check asks the admin port, and fails on a bad answer and on none', async () => {
    let status = 200
    const paths: string[] = []
    const server = createServer((incoming, outgoing) => {
      paths.push(incoming.url!)
      outgoing.writeHead(status).end()
    })
    await once(server.listen(0, '127.0.0.1').unref(), 'listening')
    const { port } = server.address() as AddressInfo
    const check = async (env: NodeJS.ProcessEnv) => {
      const child = spawn(process.execPath, [at('packaging/image/healthcheck.js')], { env, stdio: 'ignore' })
      return (await once(child, 'exit'))[0] as number
    }
    assert.equal(await check({ ENTREPOT_ADMIN_PORT: String(port) }), 0)
    assert.equal(await check({ HEALTHCHECK_URL: `http://127.0.0.1:${port}/other` }), 0)
    status = 503
    assert.equal(await check({ ENTREPOT_ADMIN_PORT: String(port) }), 1)
    assert.deepEqual(paths, ['/healthz', '/other', '/healthz'])
    const closed = once(server, 'close')
    server.close()
    await closed
    assert.equal(await check({ ENTREPOT_ADMIN_PORT: String(port) }), 1)
  })

  test('a Containerfile that says more than is understood is refused', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'Containerfile')
    for (const [line, message] of [
      ['SHELL ["/bin/sh"]', /cannot read SHELL/],
      ['LABEL version=${MISSING}', /no value for MISSING/],
      ['cmd ["x"]', /cannot read cmd/],
    ] as const) {
      await writeFile(file, `FROM a AS b\nRUN make\n\nFROM scratch\n${line}\n`)
      assert.throws(() => readImageConfig(file, {}), message)
    }
  })
})

suite('compose.yaml', () => {
  const { services, volumes } = parse(read('compose.yaml')) as {
    services: Record<string, Record<string, unknown>>
    volumes: object
  }
  test('hardens the container, keeps the store, and gives running pulls their time', () => {
    const service = services['entrepot']!
    assert.equal(service['read_only'], true)
    assert.deepEqual(service['cap_drop'], ['ALL'])
    assert.deepEqual(service['security_opt'], ['no-new-privileges:true'])
    assert.equal(service['stop_grace_period'], '30s')
    assert.deepEqual(service['volumes'], ['data:/data'])
    assert.deepEqual(volumes, { data: {} })
  })

  test('publishes the registry, and the admin listener on the loopback only', () => {
    assert.deepEqual(services['entrepot']!['ports'], ['5000:5000', '127.0.0.1:5001:5001'])
  })
})
