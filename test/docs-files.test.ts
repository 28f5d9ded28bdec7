/** The files that the pages show: our configuration is one that the program takes, those of clients are what setup writes. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { parse as parseToml } from 'smol-toml'
import { parse as parseYaml, stringify } from 'yaml'
import { commands } from '../src/cli/commands.ts'
import { run } from '../src/cli/run.ts'
import { ConfigError } from '../src/config/config-error.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { authority } from './support/certificates.ts'
import { type Block, blocksOf, PAGES } from './support/docs.ts'
import { type TempFolder, tempFolder } from './support/temp-folder.ts'

const BLOCKS = PAGES.flatMap(blocksOf)
const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  json: JSON.parse,
  toml: parseToml,
  yaml: (text) => parseYaml(text) as unknown,
}

let folder: TempFolder
/** A file for each key that names one. */
let files: Readonly<Record<string, string>>

before(async () => {
  folder = await tempFolder()
  const ca = authority()
  const { cert, key } = ca.server()
  const texts = {
    cert,
    key,
    ca: ca.cert,
    clientCa: ca.cert,
    passwordFile: 'a password',
    secretFile: 'a-secret-of-more-than-16-characters',
    tokenFile: 'a-token-of-more-than-16-characters',
    htpasswd: `ci:$2y$05$${'a'.repeat(53)}\n`,
  }
  const names = Object.keys(texts).map((name) => [name, join(folder.path, name)] as const)
  for (const [name, path] of names) await writeFile(path, texts[name as keyof typeof texts])
  files = Object.fromEntries(names)
})
after(() => folder[Symbol.asyncDispose]())

/** With files that are here in place of those that are named. */
function withFiles(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withFiles)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]) => {
    const file = Object.hasOwn(files, key)
      ? files[key]
      : key.endsWith('File')
        ? files['secretFile']
        : undefined
    return [key, typeof inner === 'string' && file !== undefined ? file : withFiles(inner)] as const
  })
  return Object.fromEntries(entries)
}

suite('our configuration in the pages', () => {
  const shown = BLOCKS.filter(({ text }) => text.startsWith('# proxy.config.yaml\n'))
  for (const [i, { page, text }] of shown.entries()) {
    test(`${page}, ${i + 1} of ${shown.length}: the program takes it`, async () => {
      const file = join(folder.path, `${i}.yaml`)
      await writeFile(file, stringify(withFiles(parseYaml(text))))
      const names = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => [
        name!,
        'a-value-from-the-environment',
      ])
      await loadConfig({ file, env: Object.fromEntries(names) as Record<string, string>, required: true })
    })
  }

  test('the mistake in docs/configuration.md is told as it says there', async () => {
    const block = BLOCKS.find(({ text }) => text.startsWith('proxy.config.yaml:3: cache.tll '))
    const file = join(folder.path, 'proxy.config.yaml')
    await writeFile(file, '# a comment\ncache:\n  tll: 7d\n')
    await assert.rejects(loadConfig({ file, env: {}, required: true }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      const [told] = error.message.slice(folder.path.length + 1).split(' (allowed: ')
      assert.equal(told, block?.text.split(' (allowed: ')[0])
      return true
    })
  })
})

const COMMANDS = commands({
  start: async () => {},
  now: Date.now,
  openHere: () => assert.fail('not for setup'),
})

/** The files that `entrepot setup` writes for a client of http://cache.internal:5000, or where the arguments say. */
async function setupFiles(args: readonly string[]): Promise<readonly string[]> {
  let stdout = ''
  let stderr = ''
  const registry = args.includes('--registry') ? [] : ['--registry', 'http://cache.internal:5000']
  const code = await run(COMMANDS, ['setup', ...args, ...registry, '--root', folder.path, '--json'], {
    env: {},
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  assert.equal(code, 0, stderr)
  return (JSON.parse(stdout) as { files: { content: string }[] }).files.map(({ content }) => content)
}

/** Whether `whole` says all that `part` says: of lists, each entry. */
function says(whole: unknown, part: unknown): boolean {
  if (Array.isArray(part)) {
    return Array.isArray(whole) && part.every((one) => whole.some((other) => isDeepStrictEqual(other, one)))
  }
  if (typeof part !== 'object' || part === null) return isDeepStrictEqual(whole, part)
  if (typeof whole !== 'object' || whole === null) return false
  return Object.entries(part).every(([key, value]) => says((whole as Record<string, unknown>)[key], value))
}

const parsed = ({ language }: Block, text: string): unknown => {
  try {
    return PARSERS[language]!(text)
  } catch {
    // Another client file of the same setup is of another format.
    return undefined
  }
}

suite('files of clients in the pages', () => {
  const shown = BLOCKS.filter(({ mark }) => mark?.kind === 'setup')
  for (const block of shown) {
    test(`${block.page}: setup ${block.mark!.value}`, async () => {
      const written = await setupFiles(block.mark!.value.split(' '))
      const part = PARSERS[block.language]!(block.text)
      assert.ok(
        written.some((text) => says(parsed(block, text), part)),
        `${block.text}\nis not in\n${written.join('\n---\n')}`,
      )
    })
  }

  test('there are some of every client, and one that setup does not write would be found', async () => {
    assert.deepEqual(
      new Set(shown.map(({ mark }) => mark!.value.split(' ')[0])),
      new Set(['docker', 'containerd', 'k3s', 'podman', 'buildkit']),
    )
    const [text] = await setupFiles(['k3s'])
    assert.ok(
      says(parseYaml(text!), { mirrors: { 'docker.io': { endpoint: ['http://cache.internal:5000'] } } }),
    )
    assert.ok(!says(parseYaml(text!), { mirrors: { 'docker.io': { endpoint: ['http://other:5000'] } } }))
  })

  test('each is marked: shown in a page of clients, it is what setup writes or what test/e2e pulls by', () => {
    const pages = ['docker', 'containerd-kubernetes', 'k3s', 'podman-crio', 'buildkit-dind', 'clients']
    const unmarked = BLOCKS.filter(({ page, language, mark }) => {
      const isOfClients = pages.some((name) => page === `docs/${name}.md`)
      return isOfClients && Object.hasOwn(PARSERS, language) && mark === undefined
    })
    assert.deepEqual(
      unmarked.map(({ page, text }) => `${page}: ${text}`),
      [],
    )
  })
})
