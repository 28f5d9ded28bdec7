import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Message, openOutbox } from '../../src/cluster/index/outbox.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { realFiles } from '../../src/storage/files.ts'
import { lineFile } from '../../src/storage/line-file.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'

const link = (seed: number): Message => ({
  kind: 'link',
  repository: { upstream: 'docker.io', name: 'library/a' },
  digest: blobOf(1, seed).digest,
})

test('what could not be told is told in order when it can be, also by the next process', async () => {
  await using temp = await tempFolder()
  const file = lineFile(realFiles(), join(temp.path, 'outbox.jsonl'))
  const told: Message[] = []
  let isAway = true
  const tell = async (message: Message): Promise<void> => {
    if (isAway) throw new RegistryError('STORAGE', { reason: 'out' })
    told.push(message)
  }
  const failed = (error: unknown): void => assert.fail(String(error))
  {
    await using first = await openOutbox(file, tell, failed)
    for (const seed of [1, 2, 3]) await first.send(link(seed))
    assert.equal(first.waiting, 3)
  }
  isAway = false
  await using second = await openOutbox(file, tell, failed)
  assert.equal(second.waiting, 3)
  await second.send(link(4))
  await eventually(() => second.waiting === 0)
  assert.deepEqual(told, [1, 2, 3, 4].map(link))
  await second.send(link(5))
  assert.deepEqual(told.at(-1), link(5))
  await eventually(async () => (await file.readAll()).length === 0)
})

test('what the database refuses for good holds up nothing behind it', async () => {
  const told: Message[] = []
  const failures: unknown[] = []
  const lines: string[] = [JSON.stringify(link(1)), JSON.stringify(link(2))]
  await using outbox = await openOutbox(
    { readAll: async () => lines, append: async () => {}, replace: async () => {} },
    async (message) => {
      if (message.kind === 'link' && message.digest === blobOf(1, 1).digest)
        throw new RegistryError('STORAGE', { reason: '22001' })
      told.push(message)
    },
    (error) => failures.push(error),
  )
  await eventually(() => outbox.waiting === 0)
  assert.deepEqual(told, [link(2)])
  assert.equal(failures.length, 1)
})
