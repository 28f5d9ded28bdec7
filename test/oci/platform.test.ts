import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPlatformPattern, platformMatcher } from '../../src/oci/platform.ts'

test('platforms match as containerd has them', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['linux/amd64', 'linux/amd64', true],
    ['linux/amd64', 'linux/arm64', false],
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/aarch64', 'linux/arm64/v8', true],
    ['linux/x86_64', 'linux/amd64', true],
    ['linux/arm', 'linux/arm/v7', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/amd64', 'linux/amd64/v3', true],
    ['linux/*', 'linux/arm/v7', true],
    ['*/amd64', 'windows/amd64', true],
    ['linux/*', 'windows/amd64', false],
  ]
  for (const [pattern, platform, is] of cases)
    assert.equal(platformMatcher(pattern)(platform), is, `${pattern} ${platform}`)
})

test('what is no platform is none', () => {
  for (const text of ['linux/amd64', 'linux/arm/v7', '*/arm64']) assert.ok(isPlatformPattern(text), text)
  for (const text of ['', 'linux', 'linux/', 'a/b/c/d', 'Linux/amd64', 'linux/amd 64'])
    assert.ok(!isPlatformPattern(text), text)
})
