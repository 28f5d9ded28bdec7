/** A command whose reader leaves, as in `entrepot ls | head`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

test('ends without a word when nobody reads what it prints', async () => {
  const child = spawn(process.execPath, [MAIN, 'help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  assert.equal(said, '')
  assert.equal(code, 0)
})
