/** From a real registry:2 proxy to Entrepot: its configuration by `migrate`, its store by `adopt`. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { runEntrepot } from '../support/child.ts'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { pushImages } from './support/images.ts'
import { freePort, missing, start } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'
import { pullWithSkopeo } from './support/skopeo.ts'

suite('a registry:2 proxy is replaced', { skip: missing('docker-registry', 'skopeo') }, () => {
  test('after migrate and adopt, the next pulls ask upstream for no blob', async () => {
    await using folder = await tempFolder()
    await using upstream = await realRegistry(join(folder.path, 'upstream'))
    const pushed = await pushImages(upstream.url, folder.path)
    // Of an index, skopeo takes the image of this machine alone.
    const images = pushed.filter(({ kind }) => kind === 'layers' || kind === 'oci')
    assert.equal(images.length, 2)
    const store = join(folder.path, 'registry2')
    await mkdir(store)
    const authority = `127.0.0.1:${await freePort()}`
    const old = join(folder.path, 'config.yml')
    await writeFile(
      old,
      stringify({
        version: 0.1,
        storage: { filesystem: { rootdirectory: store } },
        http: { addr: authority },
        proxy: { remoteurl: upstream.url },
      }),
    )
    {
      await using registry = start('docker-registry', ['serve', old])
      await eventually(async () => {
        const answer = await fetch(`http://${authority}/v2/`).catch(() => undefined)
        return answer?.ok === true
      }, 20_000)
      for (const image of images) await (await pullWithSkopeo(folder.path, authority, image)).assertWhole()
      // It stores what it has sent in the background.
      await eventually(async () => {
        await upstream.forget()
        for (const image of images) await (await pullWithSkopeo(folder.path, authority, image)).assertWhole()
        return !(await upstream.requests()).some(({ path }) => path.includes('/blobs/'))
      }, 60_000)
      registry.kill('SIGTERM')
      await registry.exited
    }

    const migrated = await runEntrepot('migrate', 'registry2', old)
    assert.equal(migrated.code, 0, migrated.stderr)
    const ours = parse(migrated.stdout) as { defaultUpstream: string; storage: { root: string } }
    assert.equal(ours.defaultUpstream, upstream.authority)
    const file = join(folder.path, 'proxy.config.yaml')
    await writeFile(file, migrated.stdout)
    const adopted = await runEntrepot('adopt', old, '--config', file)
    assert.deepEqual([adopted.code, adopted.stderr], [0, ''])
    assert.match(adopted.stdout, /adopted [1-9]\d* objects of 1 repository\n$/)

    const config = { ...ours, listen: { host: '127.0.0.1', port: 0 } }
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
    await upstream.forget()
    for (const image of images)
      await (await pullWithSkopeo(folder.path, proxy.authority, image)).assertWhole()
    const requests = await upstream.requests()
    assert.deepEqual(
      requests.filter(({ method, path }) => method !== 'HEAD' || path.includes('/blobs/')),
      [],
      'only HEAD of tags',
    )
  })
})
