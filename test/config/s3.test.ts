/** `storage.s3`: keys or a role, and whom it redirects. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeConfig } from '../../src/config/describe.ts'
import { load } from './folder.ts'

const s3 = (more: string) =>
  `storage: { s3: { endpoint: https://s3.internal, bucket: images${more === '' ? '' : `, ${more}`} } }`

test('without keys the process has a role; with one of the two it does not start', async (t) => {
  const { storage } = await load(t, s3(''))
  assert.equal(storage.s3!.keys, undefined)
  await assert.rejects(load(t, s3('accessKeyId: a')), /secretAccessKey.*is required with accessKeyId/)
  await assert.rejects(
    load(t, s3('secretAccessKey: b')),
    /accessKeyId.*is required with a secret; leave out both for a role/,
  )
  const both = s3('accessKeyId: a, secretAccessKey: b, secretAccessKeyFile: f')
  await assert.rejects(load(t, both, { files: { f: 'c' } }), /cannot be combined with secretAccessKey/)
})

test('keys are described without the secret, and a role without any', async (t) => {
  const described = describeConfig(await load(t, s3('accessKeyId: a, secretAccessKey: hidden')))
  assert.match(described, /accessKeyId: a\n +secretAccessKey: "?\*{8}"?\n/)
  assert.doesNotMatch(described, /hidden/)
  assert.doesNotMatch(describeConfig(await load(t, s3(''))), /AccessKey/i)
})

test('nobody is redirected by default, and networks are checked', async (t) => {
  assert.equal((await load(t, s3(''))).storage.s3!.redirect, undefined)
  assert.deepEqual((await load(t, s3('redirect: {}'))).storage.s3!.redirect, { networks: [] })
  await assert.rejects(load(t, s3('redirect: { networks: [10.0.0.0/99] }')), /networks/)
  await assert.rejects(load(t, s3('redirect: { publicEndpoint: ftp://x }')), /publicEndpoint/)
})
