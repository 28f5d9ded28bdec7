import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressGroup } from '../../src/util/address-group.ts'

test('SEC-84: an IPv6 address counts as its /64, however it is written, and an IPv4 address as itself', () => {
  for (const [address, group] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0DB8:0:0:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['here', 'here'],
  ] as const) {
    assert.equal(addressGroup(address), group, address)
  }
})
