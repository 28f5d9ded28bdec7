import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { bcrypt } from '../../src/access/bcrypt.ts'
import { passwords } from '../../src/access/passwords.ts'
import { isRegistryError } from '../../src/oci/errors.ts'

const HASHES = { alice: hashSync('wonderland', 4), bob: hashSync('builder', 4) }

/** Uses the real bcrypt and counts its comparisons. */
function setUp(initial: Readonly<Record<string, string>> = HASHES) {
  let users = new Map(Object.entries(initial))
  const thread = bcrypt()
  const compare = mock.fn(thread.compare)
  return {
    check: passwords({ users: () => users, compare }),
    comparisons: () => compare.mock.callCount(),
    change: (next: Readonly<Record<string, string>>) => (users = new Map(Object.entries(next))),
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  }
}

test('the right password, and no other, of a user who is there', async () => {
  await using set = setUp()
  assert.equal(await set.check('alice', 'wonderland', 'here'), true)
  assert.equal(await set.check('alice', 'wonderlane', 'here'), false)
  assert.equal(await set.check('alice', '', 'here'), false)
  assert.equal(await set.check('alice', 'builder', 'here'), false)
  assert.equal(await set.check('ALICE', 'wonderland', 'here'), false)
  assert.equal(await set.check('__proto__', 'wonderland', 'here'), false)
})

test('who is not there is refused after the same work, also with the password of another', async () => {
  await using set = setUp()
  assert.equal(await set.check('mallory', 'wonderland', 'here'), false)
  assert.equal(set.comparisons(), 1)
  await using empty = setUp({})
  assert.equal(await empty.check('alice', 'wonderland', 'here'), false)
})

test('bcrypt runs once for a password that is used again and again, and once for a herd', async () => {
  await using set = setUp()
  const herd = Array.from({ length: 200 }, () => set.check('alice', 'wonderland', 'here'))
  assert.deepEqual(new Set(await Promise.all(herd)), new Set([true]))
  for (let i = 0; i < 10; i++) assert.equal(await set.check('alice', 'wonderland', 'there'), true)
  assert.equal(set.comparisons(), 1)
  for (let i = 0; i < 10; i++) assert.equal(await set.check('alice', 'wrong', 'here'), false)
  assert.equal(set.comparisons(), 2)
})

test('a changed or removed password is wrong at once', async () => {
  await using set = setUp()
  assert.equal(await set.check('alice', 'wonderland', 'here'), true)
  set.change({ ...HASHES, alice: hashSync('looking-glass', 4) })
  assert.equal(await set.check('alice', 'wonderland', 'here'), false)
  assert.equal(await set.check('alice', 'looking-glass', 'here'), true)
  set.change({ bob: HASHES.bob })
  assert.equal(await set.check('alice', 'looking-glass', 'here'), false)
  assert.equal(await set.check('bob', 'builder', 'here'), true)
})

test('one address that guesses waits for its own guesses, and keeps nobody else out', async () => {
  await using set = setUp()
  const guesses = Array.from({ length: 100 }, (_, i) => set.check('alice', `guess ${i}`, 'attacker'))
  const other = set.check('bob', 'builder', 'elsewhere')
  const outcomes = await Promise.allSettled(guesses)
  const refused = outcomes.filter(
    (outcome) => outcome.status === 'rejected' && isRegistryError(outcome.reason, 'TOOMANYREQUESTS'),
  )
  assert.equal(refused.length, 96)
  assert.equal(await other, true)
  assert.equal(await set.check('alice', 'wonderland', 'attacker'), true)
})

test('many addresses that guess are bounded in all', async () => {
  await using set = setUp()
  const guesses = Array.from({ length: 100 }, (_, i) => set.check('alice', `guess ${i}`, `address ${i}`))
  const outcomes = await Promise.allSettled(guesses)
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 32)
})

test('SEC-84: wrong passwords from many addresses do not lock out who has logged in before', async () => {
  await using set = setUp()
  assert.equal(await set.check('alice', 'wonderland', '2001:db8:0:1::1'), true)
  // Her hash changes, so that nothing remembered helps her.
  set.change({ ...HASHES, alice: hashSync('looking-glass', 4) })
  const guesses = Array.from({ length: 100 }, (_, i) => set.check('alice', `guess ${i}`, `10.0.0.${i}`))
  const refused = Promise.allSettled(guesses)
  await assert.rejects(set.check('alice', 'looking-glass', '192.0.2.1'), { code: 'TOOMANYREQUESTS' })
  const before = set.comparisons()
  assert.equal(await set.check('alice', 'looking-glass', '2001:db8:0:1:ffff::2'), true)
  assert.ok(set.comparisons() <= before + 2, 'before those that guess')
  assert.equal((await refused).filter(({ status }) => status === 'fulfilled').length, 32)
})

test('SEC-84: the addresses of an IPv6 network of 64 bits are one client', async () => {
  await using set = setUp()
  const guesses = Array.from({ length: 20 }, (_, i) => set.check('bob', `guess ${i}`, `2001:db8::${i + 1}`))
  const outcomes = await Promise.allSettled(guesses)
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 4)
})

test('SEC-84: a password of more than 72 bytes is refused, for bcrypt would read the first 72 of them', async () => {
  const longest = 'p'.repeat(70) + '\u00e9'
  await using set = setUp({ long: hashSync(longest, 4) })
  assert.equal(await set.check('long', longest, 'here'), true)
  assert.equal(await set.check('long', `${longest}x`, 'here'), false)
  assert.equal(set.comparisons(), 1)
})

test('the event loop goes on while passwords are compared', async () => {
  await using set = setUp({ slow: hashSync('x', 11) })
  const begun = performance.eventLoopUtilization()
  assert.equal(await set.check('slow', 'x', 'here'), true)
  const { active, idle } = performance.eventLoopUtilization(begun)
  assert.ok(active < idle, `${active} ms of ${active + idle}`)
})
