import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TagPattern } from '../../src/config/schema/tag-pattern.ts'

test('SEC-85: patterns that keep other engines busy for ever are matched in linear time', () => {
  const tag = `${'a'.repeat(127)}!`
  for (const source of ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(.*a){30}$', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
    const before = process.cpuUsage()
    const pattern = new TagPattern(source)
    for (let i = 0; i < 10; i++) assert.equal(pattern.test(tag), false)
    const { user, system } = process.cpuUsage(before)
    assert.ok(user + system < 2_000_000, `${source}: ${user + system} µs`)
  }
})

test('SEC-85: what cannot be matched so is refused, and the documented patterns mean what they meant', () => {
  assert.throws(() => new TagPattern('(?=v)'), SyntaxError)
  assert.throws(() => new TagPattern('(a)\\1'), SyntaxError)
  const version = '^v?\\d+\\.\\d+(\\.\\d+)?([-+].*)?$'
  for (const source of [version, '.*', 'latest', '^(main|release-.*)$', '-rc\\d+$', '']) {
    const [ours, theirs] = [new TagPattern(source), new RegExp(source)]
    for (const tag of ['1.2', 'v1.2.3', '1.2.3-rc1', '1', 'latest', 'main', 'release-7', 'x1.2', '1.2+b'])
      assert.equal(ours.test(tag), theirs.test(tag), `${source} on ${tag}`)
  }
})
