import assert from 'node:assert/strict'
import { type Blob, eventually } from '../support/fixtures.ts'
import { digestRead, type Rig } from '../support/rig.ts'

/** Pulls a blob, and waits until it is stored or is not going to be. */
export async function pull(proxy: Rig, { digest }: Blob): Promise<void> {
  assert.equal(await digestRead(proxy.repository(), digest), digest)
  await eventually(() => proxy.downloads.list().length === 0)
}

export const isStored = async ({ store }: Rig, { digest }: Blob): Promise<boolean> =>
  (await store.inventory.longestUnused({ limit: 999, except: new Set() })).some(
    (one) => one.digest === digest,
  )
