/** What systemd's own tools say of the unit, the user and the folders. No systemd runs here that could start it. */
import assert from 'node:assert/strict'
import { chmod, cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tempFolder } from '../support/temp-folder.ts'
import { missing, run, succeed } from './support/processes.ts'

const PACKAGING = fileURLToPath(new URL('../../packaging/systemd', import.meta.url))
const UNITS = ['entrepot.service', 'entrepot-container.service']
/** Of 10, which is a service without any protection. */
const EXPOSURE_AT_MOST = 1.5

/** A root file system with the units of systemd, the commands of ours, and our units changed by `change`. */
async function rootWith(folder: string, change: (unit: string) => string = (unit) => unit): Promise<string> {
  const units = join(folder, 'etc', 'systemd', 'system')
  for (const path of [units, join(folder, 'usr', 'local', 'bin'), join(folder, 'lib', 'systemd')])
    await mkdir(path, { recursive: true })
  await cp('/lib/systemd/system', join(folder, 'lib', 'systemd', 'system'), {
    recursive: true,
    verbatimSymlinks: true,
  })
  for (const name of ['entrepot', 'docker', 'kill']) {
    const command = join(folder, 'usr', 'local', 'bin', name)
    await writeFile(command, '#!/bin/sh\n')
    await chmod(command, 0o755)
  }
  for (const name of UNITS) {
    await writeFile(join(units, name), change(await readFile(join(PACKAGING, name), 'utf8')))
  }
  return folder
}

const programs = ['systemd-analyze', 'systemd-sysusers', 'systemd-tmpfiles']
suite('the systemd unit', { skip: missing(...programs) }, () => {
  const verify = (root: string) => run('systemd-analyze', ['verify', `--root=${root}`, ...UNITS])

  test('systemd-analyze verify has nothing to say', async () => {
    await using folder = await tempFolder()
    assert.deepEqual(await verify(await rootWith(folder.path)), { code: 0, stdout: '', stderr: '' })
  })

  test('it would say so of a key that is misspelt, and of a command that is not there', async () => {
    for (const [right, wrong, message] of [
      ['ProtectClock', 'ProtectClok', /Unknown key/],
      ['ExecStart=entrepot', 'ExecStart=entrepotd', /entrepotd is not executable/],
      ['ExecStart=docker', 'ExecStart=dockre', /dockre is not executable/],
    ] as const) {
      await using folder = await tempFolder()
      const root = await rootWith(folder.path, (unit) => unit.replace(right, wrong))
      assert.match((await verify(root)).stderr, message)
    }
  })

  test(`systemd-analyze security: an exposure of ${EXPOSURE_AT_MOST} at most`, async (t) => {
    const unit = join(PACKAGING, 'entrepot.service')
    const report = await succeed('systemd-analyze', ['security', '--offline=true', '--no-pager', unit])
    const [, exposure] = /Overall exposure level for entrepot\.service: ([\d.]+)/.exec(report)!
    t.diagnostic(`exposure ${exposure}`)
    assert.ok(Number(exposure) <= EXPOSURE_AT_MOST, exposure)
  })

  test('sysusers and tmpfiles make the user and the folders, for nobody else to read', async () => {
    await using folder = await tempFolder()
    const configuration = join(folder.path, 'etc', 'entrepot')
    await mkdir(configuration, { recursive: true })
    await writeFile(join(configuration, 'proxy.config.yaml'), '', { mode: 0o666 })
    const root = `--root=${folder.path}`
    await succeed('systemd-sysusers', [root, join(PACKAGING, 'entrepot.sysusers')])
    await succeed('systemd-tmpfiles', [root, '--create', join(PACKAGING, 'entrepot.tmpfiles')])
    const users = await readFile(join(folder.path, 'etc', 'passwd'), 'utf8')
    const [, uid] = /^entrepot:x:(\d+):\d+:Entrepot:\/var\/lib\/entrepot:\/usr\/sbin\/nologin$/m.exec(users)!
    const state = await stat(join(folder.path, 'var', 'lib', 'entrepot'))
    assert.deepEqual([state.uid, state.mode & 0o777], [Number(uid), 0o700])
    for (const [path, mode] of [
      [configuration, 0o750],
      [join(configuration, 'proxy.config.yaml'), 0o640],
    ] as const) {
      const found = await stat(path)
      assert.deepEqual([found.uid, found.mode & 0o777], [0, mode], path)
    }
  })
})
