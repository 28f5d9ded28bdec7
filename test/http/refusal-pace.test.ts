import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RefusalPace } from '../../src/http/refusal-pace.ts'

suite('SEC-80: a client that is refused again and again is answered at a pace', () => {
  test('the first refusals of a second come at once, the others a second later', () => {
    const pace = new RefusalPace()
    const delays = Array.from({ length: 10 }, () => pace.delay('10.0.0.1', 5000))
    assert.deepEqual(delays, [0, 0, 0, 0, 0, 0, 0, 0, 1000, 1000])
    assert.equal(pace.delay('10.0.0.1', 5999), 1000)
    assert.equal(pace.delay('10.0.0.1', 6000), 0)
  })

  test('nobody waits for the refusals of another client, whose addresses are one /64', () => {
    const pace = new RefusalPace()
    for (let i = 0; i < 20; i++) pace.delay(`2001:db8::${i}`, 0)
    assert.equal(pace.delay('2001:db8::ffff', 0), 1000)
    assert.equal(pace.delay('2001:db8:0:1::1', 0), 0)
  })
})
