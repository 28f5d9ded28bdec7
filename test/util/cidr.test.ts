import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrList, LOOPBACK, parseCidr } from '../../src/util/cidr.ts'

test('SEC-27: an address is in a network however it is written', () => {
  const isIn = cidrList(['10.0.0.0/8', '192.168.1.7', '2001:db8::/32', 'fe80::/10'])
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
  assert.equal(cidrList([])('10.0.0.1'), false)
  assert.deepEqual(['127.8.9.10', '::1', '::ffff:127.0.0.1', '::2'].map(cidrList(LOOPBACK)), [
    true,
    true,
    true,
    false,
  ])
})

test('a network is an address with an optional prefix, and nothing else is', () => {
  assert.deepEqual(parseCidr('10.0.0.0/8'), { address: '10.0.0.0', bits: 8, family: 'ipv4' })
  assert.deepEqual(parseCidr('::1'), { address: '::1', bits: 128, family: 'ipv6' })
  for (const text of [
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    'fe80::1%eth0',
    'host/8',
  ]) {
    assert.equal(parseCidr(text), undefined, text)
    assert.throws(() => cidrList(['10.0.0.0/8', text]), TypeError)
  }
})
