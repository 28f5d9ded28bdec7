import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { duration, type Quantity, share, size } from '../../src/config/schema/quantities.ts'

const wholes = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc
    .tuple(
      fc.nat(1000),
      fc.constantFrom(1e3, 1e6, 1e9, 2 ** 10, 2 ** 20, 2 ** 30, 60_000, 3_600_000, 86_400_000),
    )
    .map(([n, unit]) => n * unit),
)

for (const [name, quantity, values] of [
  ['a duration', duration, wholes],
  ['a size', size, wholes],
  [
    'a share',
    share,
    fc.oneof(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(1000).map((n) => n / 1000),
    ),
  ],
] as [string, Quantity, fc.Arbitrary<number>][]) {
  test(`${name} that was formatted parses to the same number`, () => {
    fc.assert(fc.property(values, (value) => assert.equal(quantity.parse(quantity.format(value)), value + 0)))
  })
}

test('a duration is milliseconds', () => {
  const read = { '500ms': 500, '60s': 60_000, '10m': 600_000, '1h': 3_600_000, '7d': 604_800_000, '0s': 0 }
  for (const [text, milliseconds] of Object.entries(read))
    assert.equal(duration.parse(text), milliseconds, text)
})

test('a size is bytes, in binary and decimal units', () => {
  const read = {
    '512KiB': 524_288,
    '50GiB': 53_687_091_200,
    '10GB': 1e10,
    '1TiB': 2 ** 40,
    '7B': 7,
    '4096': 4096,
  }
  for (const [text, bytes] of Object.entries(read)) assert.equal(size.parse(text), bytes, text)
})

test('a share is a percentage or a number up to 1', () => {
  const read = { '25%': 0.25, '100%': 1, '0%': 0, '0.5': 0.5, '1': 1, '12.5%': 0.125 }
  for (const [text, value] of Object.entries(read)) assert.equal(share.parse(text), value, text)
})

test('formatting takes the largest unit that is exact', () => {
  const written = [90_000, 60_000, 604_800_000, 1, 0].map((value) => duration.format(value))
  assert.deepEqual(written, ['90s', '1m', '7d', '1ms', '0ms'])
  assert.deepEqual([53_687_091_200, 1e10, 1536, 0].map(size.format), ['50GiB', '10GB', '1536B', '0B'])
  assert.deepEqual([0.25, 0.07, 1].map(share.format), ['25%', '7%', '100%'])
})

test('what is not a quantity is undefined', () => {
  for (const text of [
    '',
    '7',
    's',
    '7 d',
    '1.5h',
    '-1s',
    '7D',
    '1h30m',
    '7dd',
    '7d\n',
    '7toString',
    '9'.repeat(20) + 's',
  ]) {
    assert.equal(duration.parse(text), undefined, JSON.stringify(text))
  }
  for (const text of ['', 'GiB', '50gib', '50Gi', '1.5GiB', '-1', '1e3', '0x10', '99999999TiB']) {
    assert.equal(size.parse(text), undefined, text)
  }
  for (const text of ['', '%', '101%', '1.01', '-1%', 'half', '.5'])
    assert.equal(share.parse(text), undefined, text)
})
