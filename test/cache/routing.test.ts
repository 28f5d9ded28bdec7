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
