import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonObject, parseJson, parseJsonObject, requireJsonObject } from '../../src/util/json-object.ts'

test('an object is parsed from text or bytes', () => {
  assert.deepEqual({ ...parseJsonObject('{"a":[1]}') }, { a: [1] })
  assert.deepEqual({ ...parseJsonObject(Buffer.from('{"a":"é"}')) }, { a: 'é' })
  assert.deepEqual({ ...requireJsonObject('{}') }, {})
})

test('a byte order mark before the text is ignored', () => {
  for (const text of ['\uFEFF{"a":1}', Buffer.from('\uFEFF{"a":1}')])
    assert.deepEqual({ ...parseJsonObject(text) }, { a: 1 })
  assert.deepEqual(parseJson('\uFEFF[1]'), [1])
  assert.equal(parseJsonObject('\uFEFF\uFEFF{}'), undefined)
})

test('what is not an object is undefined, or throws without quoting the text', () => {
  for (const text of ['', 'token=secret', 'null', '[]', '"secret"', '1', '{"a":1', '{} {}']) {
    assert.equal(parseJsonObject(text), undefined, text)
    assert.throws(
      () => requireJsonObject(text),
      (error) => error instanceof SyntaxError && !error.message.includes('secret'),
    )
  }
  for (const value of [undefined, null, [], 'text', 1]) assert.equal(jsonObject(value), undefined)
})

test('neither `__proto__` in the text nor what every object inherits can be looked up', () => {
  const object = parseJsonObject(
    '{"__proto__":{"admin":true},"constructor":1,"nested":{"__proto__":{"b":1}}}',
  )!
  assert.equal(object['__proto__'], undefined)
  assert.equal(object['admin'], undefined)
  assert.equal(object['constructor'], 1)
  assert.equal(object['toString'], undefined)
  assert.equal(jsonObject(object['nested'])!['b'], undefined)
  assert.equal(({} as Record<string, unknown>)['admin'], undefined)
})
