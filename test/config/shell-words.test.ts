import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/load-config.ts'
import { folderOf } from './folder.ts'

test('a variable without its braces and a home folder are told, and what else begins so is not', async (t) => {
  const folder = await folderOf(t, {
    'proxy.config.yaml': `upstreams:
  docker.io: { username: ci, password: $HUB_TOKEN }
  ghcr.io: { username: $ci, password: '$Secret1' }
cache:
  tags: [{ match: '^v1$', fresh: 1h }]
  pin: [node, '\${NODE}']
storage: { root: ~/data, maxSize: 1GiB }
`,
  })
  const file = `${folder}/proxy.config.yaml`
  const warnings: string[] = []
  const { upstreams } = await loadConfig({
    file,
    env: { NODE: 'node' },
    required: true,
    warn: (line) => warnings.push(line),
  })
  const variable = `${file}:2: upstreams.docker.io.password is taken as it is written: a variable of the environment is \${NAME}`
  const home = `${file}:7: storage.root is taken as it is written: write the home folder out`
  assert.deepEqual(warnings, [variable, home])
  assert.equal(upstreams['docker.io']?.login?.password, '$HUB_TOKEN')
})
