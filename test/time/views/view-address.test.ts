import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Address } from '../../../src/ports/repository.ts'
import { viewIn } from '../../../src/time/views/view-address.ts'

const names = { kinds: ['asof', 'run'] as const, host: 'cache.internal' }

function seen(address: Address, of: Parameters<typeof viewIn>[1] = names) {
  const view = viewIn(address, of)
  return view && [view.kind, view.text, view.address.name, view.address.host, view.address.namespace]
}

test('a view comes first in the path, and a prefix or ns follow', () => {
  assert.deepEqual(seen({ name: 'asof/20261101/node' }), ['asof', '20261101', 'node', undefined, undefined])
  const host = '127.0.0.1:5000'
  assert.deepEqual(seen({ name: 'run/4711/ghcr.io/org/app', host, namespace: 'ghcr.io' }), [
    'run',
    '4711',
    'ghcr.io/org/app',
    host,
    'ghcr.io',
  ])
})

test('a view is a host, with a port or without', () => {
  const name = 'library/node'
  for (const port of ['', ':5000']) {
    const host = `4711.run.cache.internal${port}`
    assert.deepEqual(seen({ name, host }), ['run', '4711', name, undefined, undefined])
    const past = `20261101t083000z.asof.cache.internal${port}`
    assert.deepEqual(seen({ name, host: past })?.slice(0, 3), ['asof', '20261101t083000z', name])
  }
  for (const host of [
    'cache.internal',
    'run.cache.internal',
    '4711.run.other.internal',
    'x.run.cache.internal.org',
  ])
    assert.equal(seen({ name, host }), undefined, host)
})

test('what is no view, or none that is served, is what it was', () => {
  for (const name of ['run/4711', 'asof/20261101', 'runs/4711/node', 'org/run/4711/node', 'node'])
    assert.equal(seen({ name }), undefined, name)
  assert.equal(seen({ name: 'run/4711/node' }, { kinds: ['asof'] }), undefined)
  assert.equal(seen({ name: 'node', host: '4711.run.cache.internal' }, { kinds: ['run'] }), undefined)
})
