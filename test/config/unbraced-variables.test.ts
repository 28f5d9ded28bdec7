import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/load-config.ts'
import { folderOf } from './folder.ts'

test('a variable without its braces is told, and what else begins with a dollar is not', async (t) => {
  const folder = await folderOf(t, {
    'proxy.config.yaml': `upstreams:
  docker.io: { username: ci, password: $HUB_TOKEN }
  ghcr.io: { username: $ci, password: '$Secret1' }
cache:
  tags: [{ match: '^v1$', fresh: 1h }]
  pin: [node, '\${NODE}']
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
  const line = `${file}:2: upstreams.docker.io.password is taken as it is written: a variable of the environment is \${NAME}`
  assert.deepEqual(warnings, [line])
  assert.equal(upstreams['docker.io']?.login?.password, '$HUB_TOKEN')
})
