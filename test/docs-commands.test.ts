/** The commands of the pages are run: ours here, those of the clients in test/e2e, and of the rest the page says so. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { globSync, readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { commands } from '../src/cli/commands.ts'
import { cacheHere } from '../src/cache-here.ts'
import { run } from '../src/cli/run.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { authority } from './support/certificates.ts'
import { type Block, blocksOf, ownWords, PAGES, textOf, typedIn } from './support/docs.ts'
import { type FakeDestination, fakeDestination } from './support/fake-destination.ts'
import { type FakeUpstream, fakeUpstream } from './support/fake-upstream.ts'
import { manifestOf } from './support/fixtures.ts'
import { type Proxy, startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'
import { type TempFolder, tempFolder } from './support/temp-folder.ts'

const COMMANDS = commands({
  start: async () => {},
  now: Date.now,
  openHere: (config) => cacheHere(config, process.env),
})
/** Those that have nothing to say against the machine of the test. */
const SUCCEED = new Set([
  'setup',
  'migrate',
  'status',
  'serve',
  'ls',
  'du',
  'savings',
  'drift',
  'pin',
  '--version',
])
/** Those that print a table here. */
const TABLES = new Set(['status', 'ls', 'du', 'savings', 'drift'])
const CLIENTS = ['docker', 'containerd', 'k3s', 'podman', 'crio', 'buildkit']
/** A sentence of a page about commands that nothing here can run. */
const NOT_RUN =
  /(?:not|none|nothing|never) (?:\w+ )?(?:run|executed|tested)\b|could (?:not )?be (?:run|asked)|(?:was|were) (?:not|none|no)\b/i

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

let folder: TempFolder
let upstream: FakeUpstream
let destination: FakeDestination
let proxy: Proxy
let secured: Proxy
/** What stands in the pages, and what it is in the test. */
let meant: readonly (readonly [written: string | RegExp, here: string])[]
let env: NodeJS.ProcessEnv

before(async () => {
  folder = await tempFolder()
  upstream = await fakeUpstream()
  destination = await fakeDestination({ sparse: true })
  const newer = Buffer.from('newer')
  for (const bytes of [newer, Buffer.from('{}')]) upstream.addBlob(bytes)
  const { digest } = upstream.addManifest('library/node', '20', manifestOf([]), OCI_MANIFEST)
  const upstreams = Object.fromEntries(
    ['docker.io', 'ghcr.io', 'quay.io'].map((name) => [name, { url: upstream.url }]),
  )
  proxy = await startProxy({
    upstream,
    config: { upstreams, defaultUpstream: 'docker.io', cache: { tags: [{ match: '.*', fresh: '0s' }] } },
  })
  await call(proxy.port, 'GET', '/v2/library/node/manifests/20')
  // The tag moves.
  upstream.addManifest('library/node', '20', manifestOf([newer]), OCI_MANIFEST)
  await call(proxy.port, 'GET', '/v2/library/node/manifests/20')
  const at = (name: string) => join(folder.path, name)
  const ca = authority()
  const { cert, key } = ca.server()
  for (const [name, text] of Object.entries({ 'ca.pem': ca.cert, 'tls.crt': cert, 'tls.key': key })) {
    await writeFile(at(name), text)
  }
  secured = await startProxy({
    upstream,
    config: { admin: { host: '127.0.0.1', port: 0, tls: { cert: at('tls.crt'), key: at('tls.key') } } },
  })
  const file = at('proxy.config.yaml')
  const written = parse(await readFile(join(proxy.folder, 'proxy.config.yaml'), 'utf8')) as {
    storage: object
  }
  const admin = { host: '127.0.0.1', port: Number(new URL(proxy.adminUrl).port) }
  const storage = { ...written.storage, root: join(proxy.folder, 'data') }
  const listen = { host: '127.0.0.1', port: proxy.port }
  await writeFile(file, stringify({ ...written, listen, admin, storage }))
  await mkdir(at('registry'))
  await writeFile(
    at('config.yml'),
    stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: at('registry') } },
      http: { addr: ':5000' },
      proxy: { remoteurl: upstream.url },
    }),
  )
  await writeFile(at('registry.env'), 'REGISTRY_PROXY_REMOTEURL=https://registry-1.docker.io\n')
  meant = [
    ['/etc/entrepot/proxy.config.yaml', file],
    ['/etc/docker/registry/config.yml', at('config.yml')],
    ['/var/lib/registry', at('registry')],
    [/\bregistry\.env\b/, at('registry.env')],
    ['https://cache.internal:5001', secured.adminUrl],
    ['http://cache.internal:5001', proxy.adminUrl],
    ['http://127.0.0.1:5001', proxy.adminUrl],
    ['registry.site-b.example', destination.url],
    ['company-ca.pem', at('ca.pem')],
    ['node@sha256:…', `node@${digest}`],
  ]
  env = { ...process.env, ENTREPOT_CONFIG: file }
  // Files that commands write belong nowhere else.
  process.chdir(folder.path)
})
after(async () => {
  process.chdir(import.meta.dirname)
  await Promise.all([proxy, secured, upstream, destination].map((one) => one[Symbol.asyncDispose]()))
  await folder[Symbol.asyncDispose]()
})

function asMeant(text: string): string {
  return meant.reduce(
    (all, [written, here]) =>
      all.replaceAll(written instanceof RegExp ? new RegExp(written, 'g') : written, here),
    text,
  )
}

/** Runs it as `main.ts` does, in this process. */
async function entrepot(words: readonly string[]): Promise<Outcome> {
  const out = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof out) => ({ write: (text: string) => void (out[name] += text) })
  const root = ['setup', 'doctor'].includes(words[0]!) ? ['--root', join(folder.path, 'root')] : []
  const code = await run(COMMANDS, [...words.map(asMeant), ...root], {
    env,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
  })
  return { code, ...out }
}

function assertRan(words: readonly string[], { code, stdout, stderr }: Outcome): void {
  const said = `entrepot ${words.join(' ')}\n${code}\n${stdout}${stderr}`
  assert.ok(code === 0 || code === 1, said)
  if (SUCCEED.has(words[0]!)) assert.equal(code, 0, said)
  assert.doesNotMatch(stderr, /^\s+at /m, said)
}

/** The command of a console block, and the head of the table that it shows below. */
function headOf({ language, text }: Block, command: string): readonly string[] | undefined {
  if (language !== 'console') return undefined
  const lines = text.split('\n')
  const head = lines[lines.indexOf(`$ ${command}`) + 1] ?? ''
  return /^[A-Z]+(?: +[A-Z]+)+$/.test(head) ? head.trim().split(/\s{2,}/) : undefined
}

suite('the commands of the pages', () => {
  for (const page of PAGES) {
    test(page, async () => {
      for (const block of blocksOf(page)) {
        if (block.mark?.kind === 'e2e') continue
        for (const command of typedIn(block)) {
          const words = ownWords(command)
          if (words === undefined) continue
          const outcome = await entrepot(words)
          assertRan(words, outcome)
          const head = headOf(block, command)
          const printed = outcome.stdout
            .split('\n', 1)[0]!
            .trim()
            .split(/\s{2,}/)
          if (head !== undefined && TABLES.has(words[0]!))
            assert.deepEqual(printed, head, `${page}: ${command}`)
        }
      }
    })
  }

  test('what else is typed is a step that setup names, or is run in test/e2e, or the page says that it was not', async () => {
    const steps = new Set<string>()
    for (const client of CLIENTS) {
      const args = ['setup', client, '--registry', 'http://cache.internal:5000', '--json']
      const { stdout } = await entrepot(args)
      for (const step of (JSON.parse(stdout) as { commands: string[] }).commands) steps.add(step)
    }
    assert.ok(steps.has('systemctl restart docker'), [...steps].join())
    for (const page of PAGES) {
      const others = blocksOf(page)
        .filter(({ mark }) => mark?.kind !== 'e2e')
        .flatMap(typedIn)
        .filter(
          (command) => ownWords(command) === undefined && !command.startsWith('curl ') && !steps.has(command),
        )
        // What a clone is for is run by test/e2e/install.e2e.ts.
        .filter((command) => !/^npm (?:ci|start|test)\b|\bnpm start$/.test(command))
      if (others.length > 0) assert.match(textOf(page), NOT_RUN, `${page}: ${others[0]}`)
    }
  })

  test('what is asked of the admin API by curl is answered', { skip: hasNoCurl() }, async () => {
    const asked = PAGES.flatMap(blocksOf)
      .flatMap(typedIn)
      .filter((command) => command.startsWith('curl '))
    for (const command of asked) {
      const quick = asMeant(command).replace(/^curl /, 'curl --silent --show-error --fail --max-time 20 ')
      await promisify(execFile)('sh', ['-c', quick])
    }
  })

  test('a block that names a test of test/e2e is used there', () => {
    const sources = globSync('e2e/**/*.ts', { cwd: import.meta.dirname })
      .map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
      .join('\n')
    const marks = PAGES.flatMap(blocksOf).flatMap(({ page, mark }) =>
      mark?.kind === 'e2e' ? [{ page, mark }] : [],
    )
    assert.ok(marks.length >= 10)
    for (const { page, mark } of marks)
      assert.ok(sources.includes(`'${mark.value}'`), `${page}: ${mark.value}`)
  })
})

function hasNoCurl(): string | false {
  return spawnSync('curl', ['--version']).status === 0 ? false : 'no curl'
}
