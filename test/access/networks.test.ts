import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { clientAddress, LOOPBACK, networks } from '../../src/access/networks.ts'

test('SEC-27: an address is in a network however it is written', () => {
  const isIn = networks(['10.0.0.0/8', '192.168.1.7', '2001:db8::/32', 'fe80::/10'])
  for (const address of [
    '10.0.0.1',
    '10.255.255.255',
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    '0:0:0:0:0:ffff:0a00:0001',
    '192.168.1.7',
    '2001:db8::1',
    '2001:0DB8:0::1',
    'fe80::1%eth0',
  ]) {
    assert.equal(isIn(address), true, address)
  }
  for (const address of [
    '11.0.0.1',
    '192.168.1.8',
    '2001:db9::1',
    '::ffff:11.0.0.1',
    '::10.0.0.1',
    '010.0.0.1',
    '10.1',
    '0x0a000001',
    '167772161',
    '10.0.0.1 ',
    '10.0.0.1/8',
    '10.0.0.1:80',
    'localhost',
    '',
  ]) {
    assert.equal(isIn(address), false, address)
  }
  assert.equal(networks([])('10.0.0.1'), false)
  assert.deepEqual(['127.8.9.10', '::1', '::ffff:127.0.0.1', '::2'].map(networks(LOOPBACK)), [
    true,
    true,
    true,
    false,
  ])
})

test('SEC-27: X-Forwarded-For is read from the right, and only as far as proxies that are trusted wrote it', () => {
  const isTrusted = networks(['10.0.0.0/8'])
  const cases: readonly (readonly [socket: string, header: string | undefined, client: string])[] = [
    ['203.0.113.9', '10.0.0.1', '203.0.113.9'],
    ['203.0.113.9', undefined, '203.0.113.9'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '198.51.100.4', '198.51.100.4'],
    ['10.0.0.1', '127.0.0.1, 198.51.100.4', '198.51.100.4'],
    ['10.0.0.1', '198.51.100.4, 10.0.0.2', '198.51.100.4'],
    ['::ffff:10.0.0.1', '198.51.100.4,10.0.0.2', '198.51.100.4'],
    ['10.0.0.1', '198.51.100.4:4711', '198.51.100.4'],
    ['10.0.0.1', '[2001:db8::1]:4711', '2001:db8::1'],
    ['10.0.0.1', '2001:db8::1', '2001:db8::1'],
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['10.0.0.1', '127.0.0.1, unknown', 'unknown'],
    ['10.0.0.1', '127.0.0.1, ', ''],
  ]
  for (const [socket, header, client] of cases) {
    assert.equal(clientAddress(socket, header, isTrusted), client, `${socket} ${header}`)
  }
})

test('SEC-27: what stands left of an address that is not trusted changes nothing', () => {
  const isTrusted = networks(['10.0.0.0/8'])
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), { maxLength: 6 }), (left) => {
      const header = [...left, '198.51.100.4', '10.0.0.2'].join(', ')
      assert.equal(clientAddress('10.0.0.1', header, isTrusted), '198.51.100.4')
    }),
  )
})

test('SEC-27: no header makes a stranger one of us', () => {
  const isTrusted = networks(['10.0.0.0/8'])
  fc.assert(
    fc.property(fc.string(), (header) => {
      assert.equal(clientAddress('203.0.113.9', header, isTrusted), '203.0.113.9')
    }),
  )
})
