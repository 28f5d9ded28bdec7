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

const ROOT = new URL('..', import.meta.url)
const PAGES = ['README.md', ...globSync('docs/*.md', { cwd: ROOT })]
const COMMANDS = commands({ start: async () => {}, now: () => 0 })
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
  const text = readFileSync(new URL(page, ROOT), 'utf8')
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```/gm)].map(([, language, text]) => ({
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

suite('the snippets of the pages', () => {
  for (const page of PAGES) {
    test(page, () => {
      for (const block of blocksOf(page)) {
        const parsed = PARSERS[block.language]?.(block.text)
        if (block.text.startsWith('# proxy.config.yaml\n'))
          assert.deepEqual(fileSchema.safeParse(parsed).error?.issues ?? [], [], block.text)
        for (const command of entrepotIn(block))
          assert.doesNotThrow(() => parseCommandLine(COMMANDS, wordsOf(command).slice(1)), command)
      }
    })
  }

  test('a command that does not exist would be found', () => {
    const [command] = entrepotIn({ language: 'sh', text: 'entrepot stepu docker > file\n' })
    assert.deepEqual(wordsOf(command!), ['entrepot', 'stepu', 'docker'])
    assert.throws(() => parseCommandLine(COMMANDS, wordsOf(command!).slice(1)), /unknown command stepu/)
  })

  test('a key that does not exist would be found', () => {
    assert.equal(fileSchema.safeParse({ storage: { maxSise: '1GiB' } }).success, false)
  })

  test('there are such commands in the pages', () => {
    const found = PAGES.flatMap(blocksOf).flatMap(entrepotIn)
    assert.ok(found.length >= 15, String(found.length))
  })
})
