/** Entrepot as the first process of a container, and without the right to open a port. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'
import { RawClient } from '../support/raw-client.ts'
import { startService, WAYS } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { missing, run } from './support/processes.ts'

const MiB = 1024 * 1024
const NOBODY = 65534

suite('as PID 1', { skip: missing('unshare', 'npm') }, () => {
  const PID_1 = ['unshare', '--fork', '--pid', '--mount-proc', '--kill-child']
  for (const [name, way] of Object.entries(WAYS)) {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      test(`FR-30: ${name} finishes a pull and exits 0 on ${signal}`, async () => {
        await using folder = await tempFolder()
        await using upstream = await fakeUpstream({ bytesPerSecond: 3 * MiB })
        const { bytes, digest } = blobOf(6 * MiB)
        upstream.addBlob(bytes)
        const config = { upstreams: { 'docker.io': { url: upstream.url } }, log: { access: false } }
        await using service = await startService({ folder: folder.path, config, way, wrap: PID_1 })
        using client = await RawClient.connect(service.port)
        client.request('GET', `/v2/app/blobs/${digest}`)
        await client.received(100_000)
        const unshare = service.child.pid!
        const [first] = readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').split(' ')
        service.signal(signal, Number(first))
        assert.equal(digestOf((await client.response()).body), digest)
        assert.deepEqual(await service.exited, { code: 0, signal: null })
        assert.deepEqual(
          service
            .log()
            .slice(-2)
            .map(({ msg }) => msg),
          ['stopping', 'stopped'],
        )
      })
    }
  }
})

suite('without the right to open a port', { skip: missing('unshare') }, () => {
  test('FR-31: port 80 as nobody: says so, and exits 1', async () => {
    await using folder = await tempFolder()
    const data = join(folder.path, 'data')
    await mkdir(data)
    await chmod(folder.path, 0o755)
    await chown(data, NOBODY, NOBODY)
    const file = join(folder.path, 'proxy.config.yaml')
    const text = `listen: { host: 127.0.0.1, port: 80 }\nadmin: { host: 127.0.0.1, port: 0 }\nstorage: { root: ${data} }\n`
    await writeFile(file, text)
    const main = new URL('../../src/main.ts', import.meta.url).pathname
    // A network namespace of its own, where the sysctl for low ports has its default.
    const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
    const up = 'ip link set lo up && exec "$@"'
    const command = ['--net', 'sh', '-c', up, 'sh', ...asNobody, process.execPath, main, 'serve']
    const { code, stderr } = await run('unshare', [...command, '--config', file])
    assert.deepEqual(
      [code, stderr],
      [
        1,
        'entrepot: cannot listen on 127.0.0.1:80: permission denied; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE\n',
      ],
    )
  })
})
