import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tempFolder } from '../support/temp-folder.ts'
import { missing, run, succeed } from './support/processes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

suite('the package', { skip: missing('npm') }, () => {
  test('npm pack and npm i -g yield an `entrepot` that works, whatever Node.js is on PATH', async () => {
    await using folder = await tempFolder()
    const packed = await succeed('npm', ['pack', '--silent', '--pack-destination', folder.path, ROOT])
    await rm(join(ROOT, 'dist'), { recursive: true })
    const tarball = join(folder.path, packed.trim().split('\n').at(-1)!)
    const prefix = join(folder.path, 'prefix')
    await succeed('npm', ['install', '--global', '--no-audit', '--no-fund', '--prefix', prefix, tarball])
    const home = join(prefix, 'lib', 'node_modules', 'entrepot')
    const command = join(prefix, 'bin', 'entrepot')
    for (const PATH of [`${dirname(process.execPath)}:/usr/bin:/bin`, '/usr/bin:/bin']) {
      assert.match((await run(command, ['--help'], { PATH })).stdout, /entrepot serve/)
      const config = join(home, 'proxy.config.yaml')
      const checked = await run(command, ['serve', '--check', '--config', config], { PATH })
      assert.equal(checked.code, 0, checked.stderr)
      assert.match(checked.stdout, /registry-1\.docker\.io/)
    }
  })

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
