/** `entrepot doctor` on files, and against listeners that answer, do not, or speak something else. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'

async function setUp(root: string, registry: string, ...more: readonly string[]): Promise<void> {
  const { code, stderr } = await runEntrepot(
    ...['setup', 'containerd', '--write', '--root', root, '--registry', registry, ...more],
  )
  assert.equal(code, 0, stderr)
}

suite('entrepot doctor', () => {
  test('nothing on a healthy machine; then a mistake, its fix, and the exit code', async () => {
    await using root = await tempFolder()
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const url = `http://127.0.0.1:${proxy.port}`
    await setUp(root.path, url)
    const well = await runEntrepot('doctor', 'node:20', '--root', root.path)
    assert.deepEqual([well.code, well.stdout], [0, `checked containerd: all pull through ${url}\n`])

    const config = join(root.path, 'etc', 'containerd', 'config.toml')
    await writeFile(config, (await readFile(config, 'utf8')).replace(/config_path = .*/, ''))
    const ill = await runEntrepot('doctor', '--root', root.path)
    assert.equal(ill.code, 1)
    assert.match(
      ill.stdout,
      /^containerd: \/etc\/containerd\/config\.toml has no config_path.*\n {2}fix: entrepot setup/,
    )
    const json = JSON.parse((await runEntrepot('doctor', '--json', '--root', root.path)).stdout)
    assert.deepEqual([json.clients, json.findings.length], [['containerd'], 1])
  })

  test('a mirror that is down, one that speaks TLS, one that does not, one that is not trusted', async () => {
    await using upstream = await fakeUpstream()
    await using tls = await tempFolder()
    const pair = selfSignedCertificate()
    for (const [name, text] of Object.entries(pair)) await writeFile(join(tls.path, name), text)
    const listen = {
      host: '127.0.0.1',
      port: 0,
      tls: { cert: join(tls.path, 'cert'), key: join(tls.path, 'key') },
    }
    await using plain = await startProxy({ upstream })
    await using secure = await startProxy({ upstream, config: { listen } })
    await using other = await somethingElse()
    const cases: readonly [url: string, said: RegExp][] = [
      ['http://127.0.0.1:9', /which does not answer: /],
      [`http://127.0.0.1:${secure.port}`, /speaks plain HTTP to 127\.0\.0\.1:\d+, which speaks TLS/],
      [`https://127.0.0.1:${plain.port}`, /speaks TLS to 127\.0\.0\.1:\d+, which speaks plain HTTP/],
      [`https://127.0.0.1:${secure.port}`, /does not trust the certificate of https/],
      [`http://127.0.0.1:${other.port}`, /is not Entrepot: it answers 200 without Cache-Status/],
    ]
    for (const [url, said] of cases) {
      await using root = await tempFolder()
      await setUp(root.path, url)
      const { code, stdout } = await runEntrepot('doctor', '--root', root.path)
      assert.equal(code, 1)
      assert.match(stdout, said)
    }
    await using root = await tempFolder()
    await setUp(root.path, `https://127.0.0.1:${secure.port}`, '--ca', join(tls.path, 'cert'))
    const { code, stdout } = await runEntrepot('doctor', '--root', root.path)
    assert.equal(code, 0, stdout)
  })

  test('a machine without clients', async () => {
    await using root = await tempFolder()
    const { code, stdout } = await runEntrepot('doctor', '--root', root.path)
    assert.equal(code, 1)
    assert.match(stdout, /^found no Docker, containerd/)
  })
})

async function somethingElse(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}
