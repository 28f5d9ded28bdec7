/** The unit, as far as it can be read without systemd, which test/e2e/systemd.e2e.ts asks. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { EXIT } from '../../src/cli/exit-code.ts'
import { runEntrepot } from '../support/child.ts'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const read = (path: string): string => readFileSync(at(path), 'utf8')

/** Values by key, those of a key that comes twice joined by a space. */
function settingsOf(unit: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  for (const [, key, value] of unit.matchAll(/^(\w+)=(.*)$/gm)) {
    settings.set(key!, [settings.get(key!), value].filter((part) => part !== undefined).join(' '))
  }
  return settings
}

suite('the systemd unit', () => {
  const unit = settingsOf(read('packaging/systemd/entrepot.service'))

  test('runs as its own user, which sysusers makes, in the folder that the configuration names', async () => {
    assert.equal(unit.get('User'), 'entrepot')
    assert.match(read('packaging/systemd/entrepot.sysusers'), /^u entrepot - /m)
    assert.equal(unit.get('StateDirectory'), 'entrepot')
    assert.equal(unit.get('StateDirectoryMode'), '0700')
    const { code, stdout, stderr } = await runEntrepot(
      ...['serve', '--check', '--config', at('packaging/systemd/proxy.config.yaml')],
    )
    assert.equal(code, 0, stderr)
    assert.equal((parse(stdout) as { storage: { root: string } }).storage.root, '/var/lib/entrepot')
  })

  test('lets pulls end, starts it again after a crash, and not after a mistake', () => {
    assert.equal(unit.get('KillMode'), 'mixed')
    assert.ok(Number(unit.get('TimeoutStopSec')) > 30)
    assert.equal(unit.get('Restart'), 'on-failure')
    assert.equal(unit.get('RestartPreventExitStatus'), `${EXIT.usage} ${EXIT.configuration}`)
  })

  test('may do little, but lets V8 compile', () => {
    const expected = {
      NoNewPrivileges: 'yes',
      CapabilityBoundingSet: '',
      ProtectSystem: 'strict',
      ProtectHome: 'yes',
      PrivateTmp: 'yes',
      PrivateDevices: 'yes',
      ProtectKernelTunables: 'yes',
      ProtectControlGroups: 'yes',
      RestrictSUIDSGID: 'yes',
      MemoryDenyWriteExecute: 'no',
      SystemCallFilter: '@system-service ~@privileged @resources',
    }
    for (const [key, value] of Object.entries(expected)) assert.equal(unit.get(key), value, key)
  })

  test('comes with the package', () => {
    const { files } = JSON.parse(read('package.json')) as { files: string[] }
    assert.ok(files.includes('packaging/systemd'))
  })
})
