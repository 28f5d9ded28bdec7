import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { bcrypt } from '../../src/access/bcrypt.ts'
import { nextThread } from '../support/next-thread.ts'

const hash = hashSync('right', 4)

test('when the thread ends, those who wait for it are told, and the next ones get another', async () => {
  await using checking = bcrypt()
  const thread = nextThread()
  const waiting = ['right', 'wrong'].map((password) => checking.compare(password, hashSync(password, 14)))
  void (await thread).terminate()
  for (const each of waiting)
    await assert.rejects(each, {
      code: 'NO_THREAD',
      detail: { operation: 'login', reason: 'the thread has ended' },
    })
  assert.deepEqual(await Promise.all([checking.compare('right', hash), checking.compare('wrong', hash)]), [
    true,
    false,
  ])
})
