import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '../../src/oci/errors.ts'
import type { RemoteBlobs } from '../../src/ports/remote-blobs.ts'
import { s3Trouble } from '../../src/s3/s3-trouble.ts'
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
    ['UPSTREAM_DENIED', { operation: 'stat', status: 403 }, /refuses `stat` \(403\)/, /role/],
    ['UPSTREAM_UNAVAILABLE', { operation: 'put', status: 507 }, /fails at `put` \(507\)/, /room/],
    ['UPSTREAM_UNAVAILABLE', { status: 404, reason: 'no such bucket' }, /404/, /bucket/],
    ['UPSTREAM_UNAVAILABLE', { operation: 'put', reason: 'ECONNREFUSED' }, /does not answer/, /endpoint/],
    ['UPSTREAM_TIMEOUT', { operation: 'put', reason: 'UND_ERR_HEADERS_TIMEOUT' }, /in time/, /endpoint/],
  ] as const) {
    test(`${code} ${JSON.stringify(detail)}`, () => {
      const trouble = s3Trouble(new RegistryError(code, detail))
      assert.match(trouble.said, said)
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
    assert.match(watched.trouble?.said ?? '', /AccessDenied/)
    fails = { put: 'out' }
    await assert.rejects(watched.blobs.put(undefined as never))
    assert.match(watched.trouble?.said ?? '', /AccessDenied/)
    fails = {}
    await watched.blobs.put(undefined as never)
    assert.equal(watched.trouble, undefined)
  })
})
