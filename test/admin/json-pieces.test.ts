import assert from 'node:assert/strict'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { jsonPieces } from '../../src/admin/json-pieces.ts'

test('SEC-73: a long answer is made in pieces, as they are read', async () => {
  let made = 0
  const images = Array.from({ length: 100_000 }, (_, i) => i)
    .values()
    .map((i) => {
      made += 1
      return { image: `ghcr.io/org/app:${i}` }
    })
  const reader = jsonPieces({ images }).getReader()
  const { value } = await reader.read()
  assert.ok(value!.length < 20_000)
  assert.ok(made < 5_000, `${made} were made for the first piece`)
  await reader.cancel()
})

test('the pieces are the JSON of the object', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (value) => {
      assert.equal(await text(jsonPieces(value)), JSON.stringify(value))
    }),
  )
  const many = { list: Array.from({ length: 20_000 }, (_, i) => ({ i, missing: undefined })) }
  assert.equal(await text(jsonPieces(many)), JSON.stringify(many))
})
