import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/load-config.ts'
import { folderOf } from './folder.ts'

test('a pattern of an upstream that there is not is told, with its line and what was meant', async (t) => {
  const folder = await folderOf(t, {})
  const file = `${folder}/proxy.config.yaml`
  await writeFile(
    file,
    `publicUpstreams: false
upstreams:
  docker.io: {}
  example.internal: { aliases: [mirror.internal] }
access:
  rules:
    - { repositories: [docker.oi/library/*, docker.io/**, '**', '*/org/app'] }
    - { repositories: [library/*, quay.io, docker.io] }
cache:
  pin: [node, org/app, quay.io/org/**, example.internal, 'Node:20-A']
  coolDown: [{ match: 'dokcer.io/library/*:latest', for: 3d }]
  keepDeleted: ['mirror.internal/org/**:v*', 'example.internal/org/**']
views: { retain: [{ match: 'docker.io/library/*', for: 1d }, { match: 'a.example/**', for: 1d }] }
mirror: [{ images: [docker.oi/library/node:20], schedule: '0 3 * * *' }]
replicate: [{ images: ['**', 'quay.io/**'], to: registry.site-b.example }]
`,
  )
  const warnings: string[] = []
  await loadConfig({ file, env: {}, required: true, warn: (line) => warnings.push(line) })
  const all = 'the upstreams are docker.io, example.internal'
  const hub = 'did you mean docker.io?'
  const isOther = (line: string): boolean => !line.includes('nothing matches it: ')
  const others = warnings.filter(isOther).map((line) => line.slice(file.length + 1))
  assert.deepEqual(
    warnings.filter((line) => !isOther(line)).map((line) => line.replace(file, basename(file))),
    [
      ['7: access.rules[0].repositories[0] is "docker.oi/library/*"', 'docker.oi is no upstream', hub],
      ['10: cache.pin[2] is "quay.io/org/**"', 'quay.io is no upstream', all],
      ['11: cache.coolDown[0].match is "dokcer.io/library/*:latest"', 'dokcer.io is no upstream', hub],
      ['13: views.retain[1].match is "a.example/**"', 'a.example is no upstream', all],
      ['14: mirror[0].images[0] is "docker.oi/library/node:20"', 'docker.oi is no upstream', hub],
      ['15: replicate[0].images[1] is "quay.io/**"', 'quay.io is no upstream', all],
    ].map(([where, what, hint]) => `proxy.config.yaml:${where}, but ${what}, so nothing matches it: ${hint}`),
  )
  const alone = (name: string): string => `${name} is an upstream: its repositories are ${name}/**`
  assert.deepEqual(others, [
    `8: access.rules[1].repositories[2] is "docker.io", but ${alone('docker.io')}`,
    `10: cache.pin[3] is "example.internal", but ${alone('example.internal')}`,
    '10: cache.pin[4] is "Node:20-A", but names have no capital letters, so nothing matches it',
  ])
})
