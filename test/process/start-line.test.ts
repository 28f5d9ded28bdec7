import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startService } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('the start line tells version, file, store, limits, upstreams and who may pull', async () => {
  await using folder = await tempFolder()
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const config = {
    storage: { root: './data', maxSize: '3GiB', minFree: '1MiB' },
    upstreams: { 'docker.io': { url: 'http://127.0.0.1:1' }, 'r.test': { url: 'http://127.0.0.1:1' } },
    access: { networks: ['127.0.0.0/8'] },
  }
  await using service = await startService({ folder: folder.path, config })
  const line = service.log().find(({ msg }) => msg === 'started')
  assert.partialDeepStrictEqual(line, {
    version,
    file: join(folder.path, 'proxy.config.yaml'),
    store: { root: join(folder.path, 'data'), objects: 0, bytes: 0 },
    limits: { maxSize: '3GiB', minFree: '1MiB' },
    upstreams: ['docker.io', 'r.test'],
    defaultUpstream: 'docker.io',
    pull: 'everyone from 127.0.0.0/8',
  })
})
