import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '../../src/oci/errors.ts'
import type { RemoteBlobs } from '../../src/ports/remote-blobs.ts'
import { s3Trouble } from '../../src/s3/s3-trouble.ts'
import { noBucket } from '../../src/s3/uploading.ts'
import { watchedBlobs } from '../../src/s3/watched-blobs.ts'
import { digestOf } from '../../src/oci/digest.ts'

const digest = digestOf(Buffer.from('a'))

suite('what a bucket does not do', () => {
  for (const [code, detail, said, advice] of [
    ['UPSTREAM_DENIED', { operation: 'put', status: 403, reason: 'QuotaExceeded' }, /refuses `put`/, /room/],
    [
      'UPSTREAM_DENIED',
      { operation: 'put', status: 403, reason: 'InvalidAccessKeyId' },
      /refuses/,
      /accessKey/,
    ],
    [
      'UPSTREAM_DENIED',
      { operation: 'stat', status: 403 },
      /refuses `stat` \(403\)/,
      /accessKeyId and its secret, or let .* role/,
    ],
    ['UPSTREAM_DENIED', { operation: 'put', status: 403, reason: 'AccessDenied' }, /refuses/, /^let .* role/],
    ['UPSTREAM_UNAVAILABLE', { operation: 'put', status: 507 }, /fails at `put` \(507\)/, /room/],
    ['UPSTREAM_UNAVAILABLE', noBucket('list').detail, /fails at `list` \(404 no such bucket\)/, /bucket/],
    ['UPSTREAM_UNAVAILABLE', { operation: 'put', reason: 'ECONNREFUSED' }, /does not answer/, /endpoint/],
    ['UPSTREAM_TIMEOUT', { operation: 'put', reason: 'UND_ERR_HEADERS_TIMEOUT' }, /in time/, /endpoint/],
  ] as const) {
    test(`${code} ${JSON.stringify(detail)}`, () => {
      const trouble = s3Trouble(new RegistryError(code, detail), true)
      assert.match(trouble.said, said)
      assert.doesNotMatch(`${trouble.said} ${trouble.advice}`, /undefined/)
      assert.match(trouble.advice, advice)
    })
  }

  test('it is the kind of request that fails which counts, and what was not sent tells nothing', async () => {
    let fails: Record<string, string | undefined> = { put: 'AccessDenied' }
    const answer = async (kind: string): Promise<undefined> => {
      const reason = fails[kind]
      if (reason) throw new RegistryError('UPSTREAM_DENIED', { operation: kind, status: 403, reason })
    }
    const remote = { put: () => answer('put'), stat: () => answer('stat') } as unknown as RemoteBlobs
    const watched = watchedBlobs(remote)
    await assert.rejects(watched.blobs.put(undefined as never))
    await watched.blobs.stat(digest)
    assert.match(watched.trouble?.said ?? '', /AccessDenied\): what is new is kept here/)
    fails = { put: 'out' }
    await assert.rejects(watched.blobs.put(undefined as never))
    assert.match(watched.trouble?.said ?? '', /AccessDenied/)
    fails = {}
    await watched.blobs.put(undefined as never)
    assert.equal(watched.trouble, undefined)
  })

  test('an outage is over with a success of any kind, and what the bucket refuses or lacks is not', async () => {
    for (const [kind, failure, isOver] of [
      [
        'touch',
        new RegistryError('UPSTREAM_UNAVAILABLE', { operation: 'touch', reason: 'ECONNREFUSED' }),
        true,
      ],
      ['touch', new RegistryError('UPSTREAM_UNAVAILABLE', { operation: 'touch', status: 503 }), true],
      ['put', new RegistryError('UPSTREAM_TIMEOUT', { operation: 'put' }), true],
      ['put', new RegistryError('UPSTREAM_UNAVAILABLE', { operation: 'put', status: 507 }), false],
      ['put', noBucket('put'), false],
      ['touch', new RegistryError('UPSTREAM_DENIED', { operation: 'touch', status: 403 }), false],
    ] as const) {
      const remote = {
        stat: async () => undefined,
        put: () => Promise.reject(failure),
        touch: () => Promise.reject(failure),
      } as unknown as RemoteBlobs
      const watched = watchedBlobs(remote)
      await assert.rejects(
        kind === 'put' ? watched.blobs.put(undefined as never) : watched.blobs.touch(digest),
      )
      const said = watched.trouble?.said ?? ''
      assert.equal(said.includes('uploaded later'), kind === 'put', said)
      await watched.blobs.stat(digest)
      assert.equal(watched.trouble === undefined, isOver, said)
    }
  })
})
