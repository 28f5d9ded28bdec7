import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { bcrypt } from '../../src/access/bcrypt.ts'
import { nextThread } from '../support/next-thread.ts'

const hash = hashSync('right', 4)

test('when the thread ends, those who wait for it are told, and the next ones get another', async () => {
  await using checking = bcrypt()
  const thread = nextThread()
  // Made first: the thread must not have compared one of them while the next is hashed.
  const slow = hashSync('right', 14)
  const ended = { code: 'NO_THREAD', detail: { operation: 'login', reason: 'the thread has ended' } }
  const waiting = ['right', 'wrong'].map((password) =>
    assert.rejects(checking.compare(password, slow), ended),
  )
  void (await thread).terminate()
  await Promise.all(waiting)
  assert.deepEqual(await Promise.all([checking.compare('right', hash), checking.compare('wrong', hash)]), [
    true,
    false,
  ])
})
