import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { clientAddress } from '../../src/access/client-address.ts'
import { cidrList } from '../../src/util/cidr.ts'

test('SEC-27: X-Forwarded-For is read from the right, and only as far as proxies that are trusted wrote it', () => {
  const isTrusted = cidrList(['10.0.0.0/8'])
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
  const isTrusted = cidrList(['10.0.0.0/8'])
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), { maxLength: 6 }), (left) => {
      const header = [...left, '198.51.100.4', '10.0.0.2'].join(', ')
      assert.equal(clientAddress('10.0.0.1', header, isTrusted), '198.51.100.4')
    }),
  )
})

test('SEC-27: no header makes a stranger one of us', () => {
  const isTrusted = cidrList(['10.0.0.0/8'])
  fc.assert(
    fc.property(fc.string(), (header) => {
      assert.equal(clientAddress('203.0.113.9', header, isTrusted), '203.0.113.9')
    }),
  )
})
