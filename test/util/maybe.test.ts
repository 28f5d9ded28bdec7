import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whenKnown } from '../../src/util/async/maybe.ts'

const double = (value: number | undefined) => value && value * 2

test('a known answer is passed on in the same tick', () => {
  assert.equal(whenKnown(21, double), 42)
  assert.equal(whenKnown(undefined, double), undefined)
})

test('an answer that comes later is passed on when it comes', async () => {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const doubled = whenKnown(promise, double)
  assert.ok(doubled instanceof Promise)
  resolve(21)
  assert.equal(await doubled, 42)
})

test('an error is thrown at once or later, as the answer comes', async () => {
  const fail = (): number => {
    throw new RangeError('refused')
  }
  assert.throws(() => whenKnown(1, fail), RangeError)
  await assert.rejects(async () => whenKnown(Promise.resolve(1), fail), RangeError)
  await assert.rejects(async () => whenKnown(Promise.reject(new TypeError()), double), TypeError)
})
