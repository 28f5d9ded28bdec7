import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from '../../src/http/pieces/buffer-pool.ts'
import { blobOf } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call } from '../support/raw-client.ts'
import { serveRegistry } from '../support/registry-server.ts'

const MiB = 1024 * 1024
const { bytes, digest } = blobOf(4 * MiB)

for (const [others, most] of [
  [0, 2],
  [32, 1],
] as const) {
  test(`beside ${others} others a reader has ${most} of the largest buffers at a time`, async () => {
    const registry = new MemoryRegistry()
    const pool = new BufferPool(64 * MiB)
    const server = await serveRegistry(registry, { pool })
    const held = Array.from({ length: others }, () => pool.take(1))
    const before = pool.lentBytes
    let highest = 0
    const { stat } = registry.find({ name: 'library/app' })!.blobs
    const open = async () =>
      registry.reader(digest, bytes.length, async (buffer, position) => {
        highest = Math.max(highest, pool.lentBytes - before)
        return bytes.copy(buffer, 0, position)
      })
    registry.overrides = { blobs: { stat, open } }
    try {
      const { body } = await call(server.port, 'GET', `/v2/library/app/blobs/${digest}`)
      assert.ok(body.equals(bytes))
      assert.equal(highest, most * (MiB / 2))
    } finally {
      for (const buffer of held) pool.give(buffer)
      await server.close(0)
    }
  })
}
