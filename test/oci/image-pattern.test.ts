import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../src/oci/digest.ts'
import { type ImageName, imagePattern, imageText, parseImagePattern } from '../../src/oci/image-pattern.ts'
import { upstreamNames } from '../../src/oci/upstream-names.ts'

const digest = digestOf(Buffer.from('a'))

function image(upstream: string, name: string, tag?: string): ImageName {
  return { repository: { upstream, name }, tag, digest }
}

const node20 = image('docker.io', 'library/node', '20-alpine')
const node = image('docker.io', 'library/node')
const app = image('ghcr.io', 'org/app', 'v1')
const deep = image('ghcr.io', 'org/team/app', 'latest')
const port = image('example.internal:5443', 'app', '1')
const local = image('mirror', 'app', '1')
const all = { node20, node, app, deep, port, local }

const TABLE: readonly (readonly [pattern: string, text: string, matches: readonly (keyof typeof all)[]])[] = [
  ['*', '**', ['node20', 'node', 'app', 'deep', 'port', 'local']],
  ['**', '**', ['node20', 'node', 'app', 'deep', 'port', 'local']],
  ['node', 'docker.io/library/node', ['node20', 'node']],
  ['node*', 'docker.io/library/node*', ['node20', 'node']],
  ['node:20*', 'docker.io/library/node:20*', ['node20']],
  ['node:*', 'docker.io/library/node:*', ['node20']],
  ['node:20', 'docker.io/library/node:20', []],
  ['library/node', 'docker.io/library/node', ['node20', 'node']],
  ['docker.io/node', 'docker.io/library/node', ['node20', 'node']],
  ['docker.io/library/node:20*', 'docker.io/library/node:20*', ['node20']],
  ['docker.io/*', 'docker.io/library/*', ['node20', 'node']],
  ['docker.io/**', 'docker.io/**', ['node20', 'node']],
  ['lib*/node', 'docker.io/lib*/node', ['node20', 'node']],
  ['ghcr.io/*', 'ghcr.io/*', []],
  ['ghcr.io/org/*', 'ghcr.io/org/*', ['app']],
  ['ghcr.io/org/**', 'ghcr.io/org/**', ['app', 'deep']],
  ['ghcr.io/*/app:v*', 'ghcr.io/*/app:v*', ['app']],
  ['ghcr.io/org/a*p', 'ghcr.io/org/a*p', ['app']],
  ['ghcr.io/org', 'ghcr.io/org', []],
  ['org/app', 'docker.io/org/app', []],
  ['*/app', '*/app', ['port', 'local']],
  ['**/app', '**/app', ['app', 'deep', 'port', 'local']],
  ['*/*/app', '*/*/app', ['app']],
  ['*:latest', '**:latest', ['deep']],
  ['example.internal:5443/app', 'example.internal:5443/app', ['port']],
  ['example.internal:5443/app:1', 'example.internal:5443/app:1', ['port']],
  ['mirror/app', 'mirror/app', ['local']],
  ['gh/org/app', 'ghcr.io/org/app', ['app']],
  ['gh.internal:5000/org/**:v*', 'ghcr.io/org/**:v*', ['app']],
  ['gh', 'docker.io/library/gh', []],
  ['index.docker.io/node', 'docker.io/library/node', ['node20', 'node']],
  [`*@${digest}`, `**@${digest}`, ['node20', 'node', 'app', 'deep', 'port', 'local']],
  [`node@${digest.slice(0, 20)}*`, `docker.io/library/node@${digest.slice(0, 20)}*`, ['node20', 'node']],
  [`node:20*@${digest}`, `docker.io/library/node:20*@${digest}`, ['node20']],
  ['*@sha256:00*', '**@sha256:00*', []],
]

const UPSTREAMS = upstreamNames([
  'docker.io',
  'mirror',
  { name: 'ghcr.io', aliases: ['gh', 'gh.internal:5000'] },
])

suite('image patterns', () => {
  for (const [pattern, text, matches] of TABLE) {
    test(`${pattern} means ${text}`, () => {
      const parsed = parseImagePattern(pattern, UPSTREAMS)!
      assert.equal(parsed.text, text)
      const matching = Object.entries(all).filter(([, image]) => parsed.matches(image))
      assert.deepEqual(
        matching.map(([name]) => name),
        matches,
      )
      assert.equal(parsed.isWhole, !/[:@]/.test(text.slice(text.lastIndexOf('/') + 1)))
    })
  }

  for (const pattern of [
    '',
    ' ',
    'a b',
    'app:',
    ':1',
    '/app',
    'app/',
    'a//b',
    'app@',
    'a?',
    'a:b:c',
    'a\n',
    'é',
  ]) {
    test(`${JSON.stringify(pattern)} is none`, () => {
      assert.equal(parseImagePattern(pattern), undefined)
    })
  }
  test('nor is what no image could be called for its length', () => {
    assert.equal(parseImagePattern('a'.repeat(513)), undefined)
  })
})

test('a name of which there is only what is stored hides no alias, and no name is hidden by one', () => {
  const configured = [
    { name: 'ghcr.io', aliases: ['gh', 'docker.io', 'index.docker.io', 'quay.io'] },
    { name: 'quay.io', aliases: [] },
  ]
  for (const upstreams of [
    [...configured, 'gh', 'docker.io', 'old'],
    ['gh', 'docker.io', 'old', 'ghcr.io', ...configured],
  ]) {
    const textOf = (text: string) => parseImagePattern(text, upstreamNames(upstreams))?.text
    assert.equal(textOf('gh/org/app'), 'ghcr.io/org/app')
    assert.equal(textOf('index.docker.io/org/app'), 'ghcr.io/org/app')
    assert.equal(textOf('registry-1.docker.io/org/app'), 'docker.io/org/app')
    assert.equal(textOf('quay.io/org/app'), 'quay.io/org/app')
    assert.equal(textOf('old/org/app'), 'old/org/app')
  }
})

const segment = fc.stringMatching(/^[a-z0-9]{1,4}$/)
const repositories = fc.record({
  upstream: fc.oneof(
    segment,
    fc.tuple(segment, segment).map((parts) => parts.join('.')),
  ),
  name: fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
})
const images = fc.record({
  repository: repositories.map(({ upstream, name }) => ({
    upstream,
    name: upstream === 'docker.io' && !name.includes('/') ? `library/${name}` : name,
  })),
  tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][\w.-]{0,5}$/), { nil: undefined }),
  digest: fc.string().map((text) => digestOf(Buffer.from(text))),
})

suite('any image', () => {
  test('is meant by its own text, and by no other name', () => {
    fc.assert(
      fc.property(images, images, (one, other) => {
        const pattern = parseImagePattern(imageText(one), upstreamNames([one.repository.upstream]))!
        assert.ok(pattern.matches(one))
        assert.equal(
          pattern.matches(other),
          imageText(one) === imageText({ ...other, tag: one.tag && other.tag }),
        )
        assert.equal(pattern.text, imageText(one))
      }),
    )
  })

  test('a text keeps its meaning when it is stored', () => {
    fc.assert(
      fc.property(
        images,
        fc.stringMatching(/^[a-z*.]{1,6}(\/[a-z*]{1,3})?(:[\w*]{1,3})?$/),
        (image, text) => {
          const written = parseImagePattern(text, upstreamNames([image.repository.upstream]))!
          const stored = imagePattern(written.text)
          assert.deepEqual([stored.text, stored.matches(image)], [written.text, written.matches(image)])
          assert.equal(
            parseImagePattern(stored.text, upstreamNames([image.repository.upstream]))?.text,
            stored.text,
          )
        },
      ),
    )
  })

  test('a star matches as the regular expression would', () => {
    const tags = fc.stringMatching(/^[ab]{1,12}$/)
    fc.assert(
      fc.property(fc.stringMatching(/^[ab*]{1,8}$/), tags, (glob, tag) => {
        const expected = new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(tag)
        assert.equal(parseImagePattern(`*:${glob}`)!.matches(image('r.io', 'app', tag)), expected)
      }),
      { numRuns: 500 },
    )
  })

  test('many stars cost no time to speak of', { timeout: 2_000 }, () => {
    const pattern = parseImagePattern(`*:${'a*'.repeat(200)}b`)!
    assert.equal(pattern.matches(image('r.io', 'app', 'a'.repeat(100_000))), false)
  })
})
