import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../../src/oci/errors.ts'
import { settled } from '../../src/upstream/auth/fresh-token.ts'

test('a deadline that ends the wait for a new token is that error, and no abort of a timer', async () => {
  const late = new AbortController()
  const timeout = new RegistryError('UPSTREAM_TIMEOUT')
  const waiting = settled('token', late.signal)
  late.abort(timeout)
  await assert.rejects(waiting, (error) => error === timeout)
})
