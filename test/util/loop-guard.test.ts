import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loopGuard } from '../../src/util/loop-guard.ts'

test('SEC-86 an instance recognises itself in a Via header, and nobody else', () => {
  const { isLoop } = loopGuard('a1')
  for (const via of ['1.1 entrepot-a1', '1.1 nginx, 1.1 entrepot-a1, 1.0 x', '1.1 entrepot-a1 (comment)']) {
    assert.equal(isLoop(via), true, via)
  }
  for (const via of ['', '1.1 entrepot-a2', '1.1 entrepot-a11', '1.1 my-entrepot-a1', '1.1 nginx']) {
    assert.equal(isLoop(via), false, via)
  }
})

test('SEC-86 an upstream request names the proxies its client request has passed, and only those', async () => {
  const { run, via } = loopGuard('a1')
  const later = await Promise.all([
    run('1.1 b', async () => via()),
    run('1.1 c', async () => via()),
    (async () => via())(),
  ])
  assert.deepEqual(later, ['1.1 b, 1.1 entrepot-a1', '1.1 c, 1.1 entrepot-a1', '1.1 entrepot-a1'])
  const passed = (received: string) => run(received, via).replace(/(?:, )?1\.1 entrepot-a1$/, '')
  assert.equal(
    passed('1.0 fred, HTTP/1.1 p.example.net:8080 (a comment, too)'),
    '1.0 fred, HTTP/1.1 p.example.net:8080',
  )
  for (const made of ['', 'x', '1.1 b\r\nX: y', `1.1 ${'x'.repeat(101)}`, '1.1 <script>'])
    assert.equal(passed(made), '')
  assert.equal(passed(Array.from({ length: 50 }, (_, i) => `1.1 p${i}`).join()).split(', ').length, 20)
})
