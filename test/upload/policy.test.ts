import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '../../src/oci/errors.ts'
import { budgetOf, rankSources, retryIn, UPLOAD_POLICY } from '../../src/upload/upload-policy.ts'
import { afterStep, beginning, nextStep, type Step, type UploadState } from '../../src/upload/upload-state.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** What an upload does when every mount is answered with `session` and the blob is nowhere. */
function stepsOf(state: UploadState): readonly string[] {
  const steps: string[] = []
  for (let current = state; ;) {
    const step = nextStep(current)
    steps.push(step.does)
    const next = afterStep(current, step, answerTo(step, steps.length))
    if (typeof next === 'string') return steps
    current = next
  }
}

function answerTo(step: Step, i: number) {
  const location = new URL(`http://there.example/${i}`)
  switch (step.does) {
    case 'check':
      return false
    case 'mount':
    case 'begin':
      return { location, offset: 0 }
    case 'append':
      return { location, offset: step.end }
    default:
      return 'done'
  }
}

const sources = Array.from({ length: 6 }, (_, i) => ({ repository: `org/${i}`, seal: '' }))

suite('by its size, an upload', () => {
  const policy = { ...UPLOAD_POLICY, chunk: 64 * MiB }
  const cases = [
    [100 * KiB, false, ['mount', 'finish']],
    [100 * KiB, true, ['check', 'mount', 'finish']],
    [100 * KiB + 1, false, ['mount', 'mount', 'mount', 'check', 'finish']],
    [10 * MiB, true, ['check', 'mount', 'mount', 'mount', 'finish']],
    [10 * MiB + 1, false, ['mount', 'mount', 'mount', 'mount', 'check', 'finish']],
    [65 * MiB, true, ['check', 'mount', 'mount', 'mount', 'mount', 'append', 'append', 'finish']],
  ] as const
  for (const [size, isKnown, expected] of cases) {
    test(`of ${size} bytes, ${isKnown ? '' : 'not '}known to be there`, () => {
      assert.deepEqual(stepsOf(beginning(size, { sources, isKnown }, policy)), expected)
    })
  }

  test('without sources begins by itself', () => {
    assert.deepEqual(stepsOf(beginning(1, { sources: [], isKnown: false }, policy)), ['begin', 'finish'])
  })

  test('has as many attempts as its class', () => {
    assert.deepEqual(
      [1, MiB, 11 * MiB].map((size) => [budgetOf(size).mounts, budgetOf(size).checks]),
      [
        [1, 1],
        [3, 1],
        [4, 3],
      ],
    )
  })
})

test('sources with our credentials come first, then near ones, then young ones', () => {
  const all = [
    { repository: 'site/app/web', seal: 'other' },
    { repository: 'other/young', seal: 'ours' },
    { repository: 'site/app/api', seal: 'ours' },
    { repository: 'site/target', seal: 'ours' },
    { repository: 'other/old', seal: 'ours' },
    { repository: 'site/tool', seal: 'ours' },
  ]
  const ranked = rankSources(all, 'site/target', ({ seal }) => seal === 'ours')
  assert.deepEqual(
    ranked.map(({ repository }) => repository),
    ['site/app/api', 'site/tool', 'other/young', 'other/old', 'site/app/web'],
  )
})

suite('after a failure an upload', () => {
  const outage = new RegistryError('UPSTREAM_UNAVAILABLE', {})

  test('waits longer and longer, and is given up after five', () => {
    const waits = [1, 2, 3, 4, 5].map((failures) => retryIn(UPLOAD_POLICY, outage, failures, 0.5))
    assert.deepEqual(waits, [5_000, 10_000, 15_000, 20_000, undefined])
    assert.deepEqual(
      [retryIn(UPLOAD_POLICY, outage, 1, 0), retryIn(UPLOAD_POLICY, outage, 1, 1)],
      [2_500, 7_500],
    )
  })

  test('waits as long as it is told to, but not for hours', () => {
    const limit = (retryAfter: number) => new RegistryError('UPSTREAM_LIMITED', { retryAfter })
    assert.equal(retryIn(UPLOAD_POLICY, limit(60), 1, 0), 60_000)
    assert.equal(retryIn(UPLOAD_POLICY, limit(3_600), 1, 0), undefined)
  })

  test('for which no download could begin here waits too', () => {
    const full = new RegistryError('TOOMANYREQUESTS', { queueLength: 256 })
    assert.equal(retryIn(UPLOAD_POLICY, full, 1, 0.5), 5_000)
  })

  test('that somebody has to mend is given up at once', () => {
    for (const reason of ['ERR_SSL_WRONG_VERSION_NUMBER', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'ENOTFOUND']) {
      const error = new RegistryError('UPSTREAM_UNAVAILABLE', { reason })
      assert.equal(retryIn(UPLOAD_POLICY, error, 1, 0.5), undefined)
    }
    for (const reason of ['ECONNREFUSED', 'EAI_AGAIN', 'ECONNRESET']) {
      const error = new RegistryError('UPSTREAM_UNAVAILABLE', { reason })
      assert.equal(retryIn(UPLOAD_POLICY, error, 1, 0.5), 5_000)
    }
  })

  test('that will not pass is given up', () => {
    for (const code of ['UPSTREAM_DENIED', 'UPSTREAM_INVALID', 'BLOB_UNKNOWN', 'STORAGE'] as const) {
      assert.equal(retryIn(UPLOAD_POLICY, new RegistryError(code), 1, 0.5), undefined)
    }
  })
})
