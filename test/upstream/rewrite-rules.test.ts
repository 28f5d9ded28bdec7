import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RewriteRule, rewriteRules } from '../../src/upstream/rewrite/rewrite-rules.ts'

const CASES: readonly (readonly [from: string, to: string, asked: string, other: string | undefined])[] = [
  ['bitnami/**', 'bitnamilegacy/**', 'bitnami/redis', 'bitnamilegacy/redis'],
  ['bitnami/**', 'bitnamilegacy/**', 'bitnami/charts/redis', 'bitnamilegacy/charts/redis'],
  ['bitnami/*', 'bitnamilegacy/*', 'bitnami/charts/redis', undefined],
  ['bitnami/**', 'bitnamilegacy/**', 'bitnami-other/redis', undefined],
  ['**', 'mirror/**', 'library/alpine', 'mirror/library/alpine'],
  ['old/*-server', 'new/server-*', 'old/web-server', 'new/server-web'],
  ['old/app', 'new/app', 'old/app', 'new/app'],
  ['old/app', 'new/app', 'old/app2', undefined],
  // The star stands for nothing, and the other name would be none.
  ['old/app*', 'new/*', 'old/app', undefined],
  ['a/**', `${'b/'.repeat(120)}**`, `a/${'c'.repeat(100)}`, undefined],
]

test('the part of the name that the star matched is carried over', () => {
  for (const [from, to, asked, other] of CASES)
    assert.equal(rewriteRules([{ from, to }])(asked)?.name, other, `${asked} by ${from}`)
})

test('the first rule that matches decides, and its name is not rewritten again', () => {
  const rules: readonly RewriteRule[] = [
    { from: 'a/b', to: 'c/b', always: true },
    { from: 'a/*', to: 'd/*' },
    { from: 'c/*', to: 'e/*' },
  ]
  const other = rewriteRules(rules)
  assert.deepEqual(other('a/b'), { name: 'c/b', always: true })
  assert.deepEqual(other('a/x'), { name: 'd/x', always: false })
})
