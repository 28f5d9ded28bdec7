import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failoverReader } from '../../src/cache/failover-reader.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { BlobReader } from '../../src/ports/blob-store.ts'
import { blobOf } from '../support/fixtures.ts'

const { bytes, digest } = blobOf(1000)

function readerOf(read: BlobReader['read']): BlobReader {
  return {
    descriptor: { digest, size: bytes.length, mediaType: OCTET_STREAM },
    sharing: { key: 'a', took() {} },
    read,
    async [Symbol.asyncDispose]() {},
  }
}

const lost = () => Promise.reject(new RegistryError('STORAGE', { reason: 'EIO' }))
const whole = readerOf(async (buffer, position) => bytes.copy(buffer, 0, position))

test('bytes taken from another reader count as returned: they are not mixed with those of another source', async () => {
  await using reader = failoverReader(readerOf(lost), async () => whole)
  reader.sharing!.took(0, 500)
  await assert.rejects(reader.read(Buffer.alloc(100), 500), /storage|STORAGE/i)
})

test('a reader that was disposed asks no other source', async () => {
  let asked = 0
  const reader = failoverReader(readerOf(lost), async () => ((asked += 1), whole))
  await reader[Symbol.asyncDispose]()
  await assert.rejects(reader.read(Buffer.alloc(100), 0), /storage|STORAGE/i)
  assert.equal(asked, 0)
})

test('a reader that has switched to another source shares nothing', async () => {
  await using reader = failoverReader(readerOf(lost), async () => whole)
  assert.equal(reader.sharing?.key, 'a')
  assert.equal(await reader.read(Buffer.alloc(100), 0), 100)
  assert.equal(reader.sharing, undefined)
})

test('bytes that were lent count as returned, and those of another source are not lent', async () => {
  const lending: BlobReader = {
    ...readerOf(lost),
    lend: async (position) => ({ bytes: Buffer.alloc(100, 'x').subarray(position), giveBack() {} }),
  }
  await using mixed = failoverReader(lending, async () => whole)
  assert.equal((await mixed.lend!(0))!.bytes.length, 100)
  await assert.rejects(mixed.read(Buffer.alloc(100), 100), /storage|STORAGE/i)
  await using switched = failoverReader(lending, async () => whole)
  assert.equal(await switched.read(Buffer.alloc(100), 0), 100)
  assert.equal(await switched.lend!(100), undefined)
  await using compared = failoverReader(
    { ...lending, reread: async (buffer, position) => Buffer.alloc(100, 'x').copy(buffer, 0, position) },
    async () => whole,
  )
  await compared.lend!(0)
  await assert.rejects(compared.read(Buffer.alloc(100), 100), { code: 'UPSTREAM_INVALID' })
})
