import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from '../../src/config/nearest.ts'

const KEYS = ['ttl', 'sweep', 'staleIfError', 'negative', 'tags']

test('a slip of the finger finds the key that was meant', () => {
  const slips = {
    tll: 'ttl',
    TTL: 'ttl',
    swep: 'sweep',
    staleiferror: 'staleIfError',
    negatve: 'negative',
    tag: 'tags',
  }
  for (const [slip, meant] of Object.entries(slips)) assert.equal(nearest(slip, KEYS), meant, slip)
})

test('of several that are close, the closest', () => {
  assert.equal(nearest('keepPartialfor', ['keepPartial', 'keepPartialFor']), 'keepPartialFor')
})

test('a word that is like none of them finds none', () => {
  for (const word of ['', 'x', 'port', 'upstreams', 'a'.repeat(100)])
    assert.equal(nearest(word, KEYS), undefined, word)
})
