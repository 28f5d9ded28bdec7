import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { readTar, tarSize, writeTar, type WrittenEntry } from '../../src/archive/tar.ts'
import { blobOf } from '../support/fixtures.ts'

const entry = (name: string, bytes: Buffer): WrittenEntry => ({
  name,
  size: bytes.length,
  bytes: () => [bytes],
})
const FILES = [
  entry('oci-layout', Buffer.from('{}')),
  entry(`blobs/sha256/${'a'.repeat(64)}`, blobOf(3_000_000, 1).bytes),
  entry('empty', Buffer.alloc(0)),
  entry(`blobs/sha512/${'b'.repeat(128)}`, blobOf(1024, 2).bytes),
]

async function read(bytes: Uint8Array): Promise<readonly (readonly [string, number])[]> {
  const found: [string, number][] = []
  for await (const { name, body } of readTar(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()))
    found.push([name, (await buffer(body)).length])
  return found
}

test('what is written is read, and its size is known before', async () => {
  const bytes = await buffer(writeTar(FILES))
  assert.equal(bytes.length, tarSize(FILES))
  assert.deepEqual(
    await read(bytes),
    FILES.map(({ name, size }) => [name, size]),
  )
  assert.deepEqual(bytes, await buffer(writeTar(FILES)))
})

test('an archive that is cut off anywhere is refused', async () => {
  const bytes = await buffer(writeTar(FILES))
  for (const end of [
    1,
    511,
    512,
    600,
    1024,
    1536,
    100_000,
    bytes.length - 1025,
    bytes.length - 1024,
    bytes.length - 1,
  ])
    await assert.rejects(read(bytes.subarray(0, end)), /truncated/i, String(end))
})

test('a damaged header is refused', async () => {
  const bytes = await buffer(writeTar(FILES))
  bytes[3]! ^= 1
  await assert.rejects(read(bytes), /checksum/i)
})

test('entries that nobody reads are passed over', async () => {
  const bytes = await buffer(writeTar(FILES))
  const names: string[] = []
  for await (const { name } of readTar(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()))
    names.push(name)
  assert.deepEqual(
    names,
    FILES.map(({ name }) => name),
  )
})

test('a writer whose reader leaves stops reading its files', async () => {
  let isRead = 0
  const many = function* (): Generator<Buffer> {
    for (let i = 0; i < 1000; i++) {
      isRead += 1
      yield Buffer.alloc(1_000_000)
    }
  }
  const reader = writeTar([{ name: 'big', size: 1_000_000_000, bytes: many }]).getReader()
  await reader.read()
  await reader.cancel(new Error('left'))
  const before = isRead
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(isRead <= before + 1 && isRead < 50, String(isRead))
})
