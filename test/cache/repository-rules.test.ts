import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RepositoryRules, repositoryRules } from '../../src/cache/repository-rules.ts'

const CASES: [rules: RepositoryRules, name: string, rule: string | undefined][] = [
  [{}, 'any/thing', undefined],
  [{ allow: ['library/*'] }, 'library/alpine', undefined],
  [{ allow: ['library/*'] }, 'library/a/b', 'allow: library/*'],
  [{ allow: ['library/*'] }, 'library', 'allow: library/*'],
  [{ allow: ['library/*'] }, 'notlibrary/alpine', 'allow: library/*'],
  [{ allow: ['library/*'] }, 'x/library/alpine', 'allow: library/*'],
  [{ allow: ['org/**'] }, 'org/a/b/c', undefined],
  [{ allow: ['org/**'] }, 'organization/a', 'allow: org/**'],
  [{ allow: ['**'] }, 'a/b/c', undefined],
  [{ allow: ['*'] }, 'a', undefined],
  [{ allow: ['*'] }, 'a/b', 'allow: *'],
  [{ allow: ['org/app'] }, 'org/app', undefined],
  [{ allow: ['org/app'] }, 'org/app2', 'allow: org/app'],
  [{ allow: ['org/app'] }, 'org/app/sub', 'allow: org/app'],
  [{ allow: ['a/*', 'b/*'] }, 'c/d', 'allow: a/*, b/*'],
  [{ allow: [] }, 'a', 'allow: '],
  // A dot is a dot.
  [{ allow: ['org/a.b'] }, 'org/axb', 'allow: org/a.b'],
  [{ deny: ['org/secret-*'] }, 'org/secret-x', 'deny: org/secret-*'],
  [{ deny: ['org/secret-*'] }, 'org/public', undefined],
  [{ deny: ['**/internal'] }, 'org/team/internal', 'deny: **/internal'],
  [{ allow: ['org/**'], deny: ['org/a', 'org/b'] }, 'org/b', 'deny: org/b'],
  [{ allow: ['org/b'], deny: ['org/**'] }, 'org/b', 'deny: org/**'],
]

test('deny wins, then allow decides where there is one; the rule that denied is named', () => {
  for (const [rules, name, rule] of CASES) {
    assert.equal(repositoryRules(rules)(name), rule, `${JSON.stringify(rules)} ${name}`)
  }
})
