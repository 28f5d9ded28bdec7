import assert from 'node:assert/strict'
import { test } from 'node:test'
import { router } from '../../src/cache/routing.ts'

const route = router(
  [
    { name: 'docker.io', aliases: [], hosts: [] },
    { name: 'ghcr.io', aliases: [], hosts: ['ghcr.cache.local'] },
    { name: 'example.internal:5443', aliases: ['mirror.internal'], hosts: ['example.cache.local:5000'] },
  ],
  'docker.io',
)

test('which upstream and repository a request is for', () => {
  const table: [address: Parameters<typeof route>[0], expected: string | undefined][] = [
    [{ name: 'alpine' }, 'docker.io library/alpine'],
    [{ name: 'bitnami/redis' }, 'docker.io bitnami/redis'],
    [{ name: 'ghcr.io/org/app' }, 'ghcr.io org/app'],
    [{ name: 'docker.io/alpine' }, 'docker.io library/alpine'],
    [{ name: 'docker.io/library/alpine' }, 'docker.io library/alpine'],
    [{ name: 'mirror.internal/app' }, 'example.internal:5443 app'],
    [{ name: 'ghcr.io' }, 'docker.io library/ghcr.io'],
    [{ name: 'org/app', namespace: 'ghcr.io' }, 'ghcr.io org/app'],
    [{ name: 'alpine', namespace: 'ghcr.io' }, 'ghcr.io alpine'],
    [{ name: 'alpine', namespace: 'docker.io' }, 'docker.io library/alpine'],
    [{ name: 'app', namespace: 'example.internal:5443' }, 'example.internal:5443 app'],
    [{ name: 'app', namespace: 'mirror.internal' }, 'example.internal:5443 app'],
    [{ name: 'org/app', host: 'ghcr.cache.local' }, 'ghcr.io org/app'],
    [{ name: 'org/app', host: 'ghcr.cache.local:5000' }, 'ghcr.io org/app'],
    [{ name: 'app', host: 'example.cache.local:5000' }, 'example.internal:5443 app'],
    [{ name: 'org/app', host: 'localhost:5000' }, 'docker.io org/app'],
    [{ name: 'org/app', host: 'ghcr.cache.local', namespace: 'docker.io' }, 'docker.io org/app'],
  ]
  for (const [address, expected] of table) {
    const found = route(address)
    assert.equal(found && `${found.upstream} ${found.name}`, expected, JSON.stringify(address))
  }
})

test('SEC-06 ns selects among the configured upstreams and is nothing else', () => {
  for (const namespace of [
    '169.254.169.254',
    'evil.com',
    'localhost:5000',
    'docker.io.evil.com',
    '',
    '__proto__',
  ]) {
    assert.equal(route({ name: 'a/b', namespace }), undefined, namespace)
  }
  for (const namespace of ['DOCKER.IO', 'index.docker.io', 'registry-1.docker.io']) {
    assert.deepEqual(route({ name: 'alpine', namespace }), { upstream: 'docker.io', name: 'library/alpine' })
  }
})

test('FR-01 a first segment that names the upstream of ns or Host is folded', () => {
  const table: [address: Parameters<typeof route>[0], expected: string][] = [
    [{ name: 'ghcr.io/org/app', namespace: 'ghcr.io' }, 'ghcr.io org/app'],
    [{ name: 'docker.io/alpine', namespace: 'docker.io' }, 'docker.io library/alpine'],
    [{ name: 'docker.io/library/alpine', namespace: 'registry-1.docker.io' }, 'docker.io library/alpine'],
    [{ name: 'index.docker.io/alpine', namespace: 'docker.io' }, 'docker.io library/alpine'],
    [{ name: 'mirror.internal/app', namespace: 'example.internal:5443' }, 'example.internal:5443 app'],
    [{ name: 'ghcr.io/org/app', host: 'ghcr.cache.local' }, 'ghcr.io org/app'],
    // What names another one is part of the name: the upstream may be a cache itself.
    [{ name: 'docker.io/library/alpine', namespace: 'ghcr.io' }, 'ghcr.io docker.io/library/alpine'],
    [{ name: 'docker.io/library/alpine', host: 'ghcr.cache.local' }, 'ghcr.io docker.io/library/alpine'],
    // Once is enough.
    [{ name: 'ghcr.io/ghcr.io/app', namespace: 'ghcr.io' }, 'ghcr.io ghcr.io/app'],
  ]
  for (const [address, expected] of table) {
    const found = route(address)
    assert.equal(found && `${found.upstream} ${found.name}`, expected, JSON.stringify(address))
  }
})

test('FR-17 SEC-83 a registry that is not configured is not looked for in Docker Hub, whatever stands before it', () => {
  for (const name of [
    'unknown.example/app',
    'unknown.example/library/app',
    'docker.io/unknown.example/app',
    'docker.io/docker.io/library/secret',
    'docker.io/ghcr.io/org/app',
    'index.docker.io/docker.io/library/secret',
  ]) {
    assert.equal(route({ name }), undefined, name)
  }
  assert.deepEqual(route({ name: 'org/app.with.dots' }), { upstream: 'docker.io', name: 'org/app.with.dots' })
  assert.deepEqual(route({ name: 'ghcr.io/a.b/app' }), { upstream: 'ghcr.io', name: 'a.b/app' })
  const other = router([{ name: 'cache.example', aliases: [], hosts: [] }], 'cache.example')
  assert.deepEqual(other({ name: 'docker.io/app' }), { upstream: 'cache.example', name: 'docker.io/app' })
})
