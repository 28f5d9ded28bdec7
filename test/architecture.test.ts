import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')

/**
 * Which room may import which, and what it must keep its hands off besides. A room is a folder of `src/` with all below it. Every
 * room may import `util`. The files in `src/` itself are the composition root and may import everything.
 */
const ROOMS: Readonly<Record<string, { rooms: readonly string[]; never?: RegExp }>> = {
  util: { rooms: [], never: /^(?!node:)/ },
  oci: { rooms: [], never: /^(?!node:crypto$)/ },
  ports: { rooms: ['oci'], never: /./ },
  http: { rooms: ['oci', 'ports'], never: /^undici$|^node:fs/ },
  cache: { rooms: ['oci', 'ports', 'download'], never: /^undici$|^hono|^node:(?:fs|http|net)/ },
  download: { rooms: ['oci', 'ports'], never: /^undici$|^hono|^node:(?:fs|http|net)/ },
  upload: { rooms: ['oci', 'ports', 'images'], never: /^undici$|^hono|^node:(?:fs|http|net)/ },
  eviction: { rooms: ['oci', 'ports'], never: /^undici$|^hono|^node:(?:fs|http|net)/ },
  storage: { rooms: ['oci', 'ports'], never: /^undici$|^hono/ },
  upstream: { rooms: ['oci', 'ports'], never: /^hono|^node:sqlite/ },
  // Blobs in a bucket.
  s3: { rooms: ['oci', 'ports'], never: /^hono|^node:(?:fs|http|sqlite)/ },
  // What replicas share by a database, and read along from each other.
  cluster: { rooms: ['oci', 'ports', 'download'], never: /^hono|^node:(?:fs|http|sqlite)/ },
  // Watches the others through the seams: it imports none of them.
  observe: { rooms: ['oci', 'ports'], never: /^(?!lru-cache$)/ },
  // Follows requests through the seams. Loaded when it is configured; nothing else imports the SDK.
  tracing: { rooms: ['oci', 'ports'], never: /^(?!node:(?:async_hooks|http)$|@opentelemetry\/)/ },
  // Dials as upstreams are dialled: proxies, authorities, private addresses.
  webhooks: { rooms: ['ports', 'upstream'], never: /^(?!undici$|node:(?:crypto|net|timers\/promises)$)/ },
  // Decides from the history of tags: what is served of them, then and now.
  time: { rooms: ['oci', 'ports'], never: /./ },
  // An image as a whole: walks, fetches, copies what a manifest refers to, through the seams.
  images: { rooms: ['oci', 'ports'], never: /^(?!node:timers\/promises$)/ },
  // Images of schema 1, made images of schema 2: pure, but for the thread that reads layers.
  schema1: {
    rooms: ['oci', 'ports'],
    never: /^(?!lru-cache$|node:(?:crypto|path|util|worker_threads|zlib)$)/,
  },
  // Archives of images: an OCI layout in a tar, written and taken in through the seams.
  archive: { rooms: ['oci', 'ports', 'images'], never: /^(?!modern-tar$|node:(?:stream|zlib)$)/ },
  // Fetches ahead: warm, refresh, and the rules of `mirror`.
  mirror: { rooms: ['oci', 'ports', 'images'], never: /^(?!(?:semver|node-cron)$)/ },
  access: { rooms: ['oci', 'ports'], never: /^hono|^node:sqlite/ },
  config: { rooms: ['oci'], never: /^undici$|^hono|^node:(?:http|sqlite)/ },
  // The configuration files of clients: reads, decides and writes, and knows nothing of the proxy.
  clients: { rooms: [], never: /^undici$|^hono|^node:(?:http|sqlite)/ },
  admin: { rooms: ['oci', 'ports'], never: /^undici$|^node:(?:fs|sqlite)/ },
  cli: {
    rooms: ['oci', 'ports', 'config', 'compose', 'admin', 'storage', 'clients'],
    never: /^hono|^node:sqlite/,
  },
  // Each file builds one part from the configuration; `app.ts` hands the parts to each other.
  compose: {
    rooms: [
      'oci',
      'ports',
      'config',
      'access',
      'http',
      'storage',
      'upstream',
      's3',
      'cluster',
      'eviction',
      'upload',
      'mirror',
      'admin',
      'observe',
      'time',
      'tracing',
      'webhooks',
    ],
    never: /^undici$|^hono|^node:sqlite/,
  },
}

interface Import {
  readonly file: string
  readonly room: string
  readonly target: string
  /** undefined = a package or a Node module. */
  readonly targetRoom: string | undefined
}

const IMPORT = /(?:\bfrom|(?<!')\bimport)\s*\(?\s*'([^']+)'/g

function importsOf(file: string): readonly Import[] {
  return [...readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORT)].map(([, target]) => ({
    file,
    room: roomOf(file),
    target: target!,
    targetRoom: target!.startsWith('.') ? roomOf(normalize(join(dirname(file), target!))) : undefined,
  }))
}

/** The folder below `src/`; of a file in `src/` itself its name. */
function roomOf(path: string): string {
  return path.split('/')[1]!
}

const isRoot = (room: string): boolean => room.endsWith('.ts')

const imports = globSync('src/**/*.ts', { cwd: ROOT }).flatMap(importsOf)

/** One line for each broken arrow: which file, and what it must not import. */
function brokenArrows(all: readonly Import[]): readonly string[] {
  return all
    .filter(({ room, target, targetRoom }) => {
      if (isRoot(room) || targetRoom === room || targetRoom === 'util') return false
      const { rooms, never } = ROOMS[room]!
      return targetRoom === undefined ? never?.test(target) === true : !rooms.includes(targetRoom)
    })
    .map(({ file, room, target }) => `${file} imports ${target}, which ${room}/ must not`)
}

test('every room is in the table', () => {
  const rooms = new Set(imports.map(({ room }) => room).filter((room) => !isRoot(room)))
  assert.deepEqual([...rooms].toSorted(), Object.keys(ROOMS).toSorted())
})

test('no file imports what its room must not', () => {
  assert.deepEqual(brokenArrows(imports), [])
})

test('every arrow in the table is used', () => {
  const used = new Set(imports.map(({ room, targetRoom }) => `${room} -> ${targetRoom}`))
  const listed = Object.entries(ROOMS).flatMap(([room, { rooms }]) => rooms.map((to) => `${room} -> ${to}`))
  assert.deepEqual(
    listed.filter((arrow) => !used.has(arrow)),
    [],
  )
})

test('a broken arrow is found, with the file that breaks it', () => {
  const planted = [
    { file: 'src/cli/commands/ls.ts', room: 'cli', target: '../../http/routes.ts', targetRoom: 'http' },
    { file: 'src/cache/lists.ts', room: 'cache', target: 'undici', targetRoom: undefined },
    { file: 'src/cache/lists.ts', room: 'cache', target: '../util/mutex.ts', targetRoom: 'util' },
  ]
  assert.deepEqual(brokenArrows(planted), [
    'src/cli/commands/ls.ts imports ../../http/routes.ts, which cli/ must not',
    'src/cache/lists.ts imports undici, which cache/ must not',
  ])
})

/** The modules that are loaded with `file`: type stripping drops no import but `import type`. */
const STATIC = /^(?:import|export)\b(?!\s+type\b)(?:[^'(]*?\bfrom)?\s*'([^']+)'/gm

function loadedWith(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, target] of readFileSync(join(ROOT, file), 'utf8').matchAll(STATIC)) {
    if (target!.startsWith('.')) loadedWith(join(dirname(file), target!), seen)
    else seen.add(target!)
  }
  return seen
}

test('what few need is loaded only for them', () => {
  const loaded = loadedWith('src/program.ts')
  assert.ok(loaded.has('src/http/routes.ts') && loaded.has('undici'))
  const rare = ['pg', 'dockerfile-ast', 'src/cluster-parts.ts', 'src/tracing/tracing.ts']
  assert.deepEqual(
    rare.filter((module) => loaded.has(module)),
    [],
  )
})
