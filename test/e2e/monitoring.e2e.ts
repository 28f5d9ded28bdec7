/** The alert rules and the board of `packaging/monitoring`, by promtool and by a Prometheus that scrapes a real proxy. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { parse } from 'yaml'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeS3, S3_CONFIG } from '../s3/fake-s3.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf, selfSignedCertificate } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { missing, succeed } from './support/processes.ts'

const FOLDER = join(import.meta.dirname, '../../packaging/monitoring')
const read = (name: string) => readFile(join(FOLDER, name), 'utf8')

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}
interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string
      readonly exp_alerts: readonly unknown[]
    }[]
  }[]
}
interface Board {
  readonly panels: readonly {
    readonly title: string
    readonly targets: readonly { readonly expr: string }[]
  }[]
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

suite('monitoring', { skip: missing('promtool', 'prometheus') }, () => {
  test('each alert has a test that fires it and one that does not, and they pass', async () => {
    const { groups } = parse(await read('alerts.yaml')) as Rules
    const { tests } = parse(await read('alerts.test.yaml')) as RuleTests
    for (const { alert } of groups.flatMap(({ rules }) => rules)) {
      const of = tests.flatMap((each) => each.alert_rule_test.filter(({ alertname }) => alertname === alert))
      assert.ok(
        of.some(({ exp_alerts: expected }) => expected.length > 0),
        `nothing fires ${alert}`,
      )
      assert.ok(
        of.some(({ exp_alerts: expected }) => expected.length === 0),
        `nothing leaves ${alert}`,
      )
    }
    await succeed('promtool', ['check', 'rules', join(FOLDER, 'alerts.yaml')])
    await succeed('promtool', ['test', 'rules', join(FOLDER, 'alerts.test.yaml')])
  })

  test('every query of the board returns a series from a real scrape', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    await using s3 = await fakeS3()
    const layer = blobOf(100_000)
    upstream.addBlob(layer.bytes)
    upstream.addManifest('library/app', '1', manifestOf([layer.bytes]), OCI_MANIFEST)
    upstream.on(/secret/, { status: 403, times: Infinity })
    const limits = { 'RateLimit-Limit': '100;w=60', 'RateLimit-Remaining': '76;w=60' }
    upstream.on(/manifests/, { headers: limits, times: Infinity })
    const tls = { cert: join(folder.path, 'cert.pem'), key: join(folder.path, 'key.pem') }
    const pair = selfSignedCertificate()
    await writeFile(tls.cert, pair.cert)
    await writeFile(tls.key, pair.key)
    const users = join(folder.path, 'users')
    await writeFile(users, `ci:${hashSync('right', 4)}\n`)
    await using proxy = await startProxy({
      upstream,
      folder: folder.path,
      config: {
        access: { htpasswd: users },
        listen: { host: '127.0.0.1', port: 0, tls },
        cache: { sweep: '* * * * * *' },
        storage: {
          root: './data',
          minFree: 0,
          maxSize: '50MB',
          s3: { ...S3_CONFIG, endpoint: s3.url, maxSize: '50MB' },
        },
      },
    })
    const config = join(folder.path, 'prometheus.yml')
    const target = new URL(proxy.adminUrl).host
    const scrape = `scrape_configs: [{ job_name: entrepot, static_configs: [{ targets: ['${target}'] }] }]`
    await writeFile(config, `global: { scrape_interval: 500ms }\n${scrape}\n`)
    const port = await freePort()
    const server: ChildProcess = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder.path, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    )
    try {
      const login = ['-k', '-s', '-o', '/dev/null', '-u', 'ci:right']
      const pull = (path: string) => succeed('curl', [...login, `${proxy.url}/v2/${path}`])
      const series = async (expr: string): Promise<number> => {
        const query = new URLSearchParams({ query: expr.replaceAll('$__rate_interval', '1m') })
        const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?${query}`).catch(() => undefined)
        if (response?.ok !== true) return 0
        const { data } = (await response.json()) as { data: { result: readonly unknown[] } }
        return data.result.length
      }
      const { panels } = JSON.parse(await read('grafana.json')) as Board
      const left = new Set(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))
      await eventually(async () => {
        for (const path of ['app/manifests/1', `app/blobs/${layer.digest}`, 'secret/manifests/1'])
          await pull(path)
        for (const expr of left) if ((await series(expr)) > 0) left.delete(expr)
        return left.size === 0
      }, 60_000).catch(() => assert.deepEqual([...left], []))
    } finally {
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
    }
  })
})
