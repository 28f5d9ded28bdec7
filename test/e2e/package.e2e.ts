import assert from 'node:assert/strict'
import { rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tempFolder } from '../support/temp-folder.ts'
import { missing, run, succeed } from './support/processes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

suite('the package', { skip: missing('npm', 'tar') }, () => {
  test('npm pack yields JavaScript whose `entrepot` command works', async () => {
    await using folder = await tempFolder()
    const packed = await succeed('npm', ['pack', '--silent', '--pack-destination', folder.path, ROOT])
    await rm(join(ROOT, 'dist'), { recursive: true })
    await succeed('tar', ['xzf', join(folder.path, packed.trim().split('\n').at(-1)!), '-C', folder.path])
    const home = join(folder.path, 'package')
    await symlink(join(ROOT, 'node_modules'), join(home, 'node_modules'))
    const entrepot = (...args: readonly string[]) =>
      run(process.execPath, [join(home, 'dist', 'main.js'), ...args])

    assert.match((await entrepot('--help')).stdout, /entrepot serve/)
    const checked = await entrepot('serve', '--check', '--config', join(home, 'proxy.config.yaml'))
    assert.equal(checked.code, 0, checked.stderr)
    assert.match(checked.stdout, /registry-1\.docker\.io/)
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
