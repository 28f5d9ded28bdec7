import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tempFolder } from '../support/temp-folder.ts'
import { missing, run } from './support/processes.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

suite('the command', { skip: missing() }, () => {
  test('a mistake in the configuration is one line and exit code 78; a mistaken command 64', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'proxy.config.yaml')
    await writeFile(file, 'cache:\n  tll: 7d\n')
    const main = join(ROOT, 'src', 'main.ts')
    const outcome = await run(process.execPath, [main, 'serve', '--config', file])
    assert.equal(outcome.code, 78)
    assert.match(outcome.stderr, /^\S+: cache\.tll is not a known key, did you mean `ttl`\? .*\n$/)
    const masked = join(folder.path, 'secret.yaml')
    await writeFile(masked, 'upstreams:\n  a.example:\n    username: u\n    password: ${SECRET}\n')
    const shown = await run(process.execPath, [main, 'serve', '--check', '--config', masked], {
      SECRET: 'hunter2',
    })
    assert.equal(shown.code, 0, shown.stderr)
    assert.ok(!shown.stdout.includes('hunter2'))
    assert.match(shown.stdout, /password: ["']?\*{8}/)
    assert.equal((await run(process.execPath, [main, 'srve'])).code, 64)
  })
})
