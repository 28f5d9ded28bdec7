/**
 * What the pages tell people to type is understood: the commands are ours, the files are of their formats, and the
 * configuration has the keys that it shows.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { parse as parseToml } from 'smol-toml'
import { parse as parseYaml } from 'yaml'
import { parseCommandLine } from '../src/cli/command-line.ts'
import { commands } from '../src/cli/commands.ts'
import { fileSchema } from '../src/config/schema/file-schema.ts'
import { upstreamSchema } from '../src/config/schema/upstream-schema.ts'
import { schemaKeys } from '../src/config/schema/schema-keys.ts'

const ROOT = new URL('..', import.meta.url)
const PAGES = ['README.md', ...globSync('docs/*.md', { cwd: ROOT })]
const COMMANDS = commands({
  start: async () => {},
  now: () => 0,
  openHere: () => Promise.reject(new Error('no store')),
})
const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  json: JSON.parse,
  toml: parseToml,
  yaml: (text) => parseYaml(text),
}

interface Block {
  readonly language: string
  readonly text: string
}

function blocksOf(page: string): readonly Block[] {
  return [...read(page).matchAll(/^```(\w+)\n([^]*?)^```/gm)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }))
}

/** The commands of `entrepot` in a block, without what the shell does with them. */
function entrepotIn({ language, text }: Block): readonly string[] {
  const lines = text.replaceAll(/\\\n\s*/g, '').split('\n')
  const typed = language === 'console' ? lines.filter((line) => line.startsWith('$ ')) : lines
  if (language !== 'sh' && language !== 'console') return []
  return typed
    .map((line) => line.replace(/^\$ /, '').replace(/\s+[>#|].*$/, ''))
    .filter((line) => line.startsWith('entrepot '))
}

const wordsOf = (command: string): readonly string[] =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)

interface Schema {
  readonly additionalProperties?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
}

/** The paths in values of the chart that its schema does not know. */
function unknownValues(values: object, { additionalProperties, properties = {} }: Schema): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const inner = properties[key]
    if (inner === undefined) return additionalProperties === false ? [key] : []
    const isSection = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isSection ? unknownValues(value as object, inner).map((path) => `${key}.${path}`) : []
  })
}

const VALUES_SCHEMA = JSON.parse(
  readFileSync(new URL('packaging/helm/entrepot/values.schema.json', ROOT), 'utf8'),
) as Schema

const KEYS = new Set([
  ...schemaKeys(fileSchema).map(({ path }) => path.join('.')),
  ...schemaKeys(upstreamSchema).map(({ path }) => `upstreams.*.${path.join('.')}`),
])
const SECTIONS = new RegExp(`^(?:${Object.keys(fileSchema.shape).join('|')})(?:\\.[*\\w]+)+$`)

/** The keys of the configuration that the text of a page names, `upstreams.NAME.ca` as `upstreams.*.ca`. */
function keysNamedIn(text: string): readonly string[] {
  return [...text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)]
    .map(([, code]) => code!.replace(/^upstreams\.[A-Z]+\./, 'upstreams.*.'))
    .filter((code) => SECTIONS.test(code))
}

const read = (file: string): string => readFileSync(new URL(file, ROOT), 'utf8')

suite('the snippets of the pages', () => {
  for (const page of PAGES) {
    test(page, () => {
      for (const block of blocksOf(page)) {
        const parsed = PARSERS[block.language]?.(block.text)
        if (block.text.startsWith('# proxy.config.yaml\n'))
          assert.deepEqual(fileSchema.safeParse(parsed).error?.issues ?? [], [], block.text)
        if (block.text.startsWith('# values.yaml\n'))
          assert.deepEqual(unknownValues(parsed as object, VALUES_SCHEMA), [], block.text)
        for (const command of entrepotIn(block))
          assert.doesNotThrow(() => parseCommandLine(COMMANDS, wordsOf(command).slice(1)), command)
      }
      for (const key of keysNamedIn(read(page))) assert.ok(KEYS.has(key), `${key} is no key`)
    })
  }

  test('a command that does not exist would be found', () => {
    const [command] = entrepotIn({ language: 'sh', text: 'entrepot stepu docker > file\n' })
    assert.deepEqual(wordsOf(command!), ['entrepot', 'stepu', 'docker'])
    assert.throws(() => parseCommandLine(COMMANDS, wordsOf(command!).slice(1)), /unknown command stepu/)
  })

  test('a key that does not exist would be found', () => {
    assert.equal(fileSchema.safeParse({ storage: { maxSise: '1GiB' } }).success, false)
    const values = { persistence: { sise: '1Gi', size: '1Gi' }, config: { anything: {} }, serviceAcount: {} }
    assert.deepEqual(unknownValues(values, VALUES_SCHEMA), ['persistence.sise', 'serviceAcount'])
  })

  test('docs/troubleshooting.md has every message that clients are told', () => {
    const [, table = ''] = /const MESSAGES = \{([^]*?)^\}/m.exec(read('src/oci/errors.ts')) ?? []
    const messages = [...table.matchAll(/'(.+)'/g)].map(([, message]) => message!)
    assert.ok(messages.length >= 20, String(messages.length))
    const page = read('docs/troubleshooting.md')
    for (const message of messages) assert.ok(page.includes(`\`${message}\``), message)
  })

  test('the pages name keys, and one that does not exist would be found', () => {
    assert.ok(PAGES.flatMap((page) => keysNamedIn(read(page))).length >= 50)
    assert.deepEqual(
      keysNamedIn('`cache.tll` and `upstreams.NAME.cA`').filter((key) => KEYS.has(key)),
      [],
    )
  })

  test('there are such commands in the pages', () => {
    const found = PAGES.flatMap(blocksOf).flatMap(entrepotIn)
    assert.ok(found.length >= 15, String(found.length))
  })
})
