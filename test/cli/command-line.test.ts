import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommandLine } from '../../src/cli/command-line.ts'
import { UsageError } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'

const table = commands({
  start: async () => {},
  now: Date.now,
  openHere: () => Promise.reject(new Error('no store')),
})

for (const [line, wrong] of [
  ['ls', undefined],
  ['ls node --json --config x', undefined],
  ['--config x ls node', undefined],
  ['--config=x ls --server http://a --token b', undefined],
  ['unpin node', undefined],
  ['unpin -- -x', undefined],
  ['verify --rate 1GB', undefined],
  ['help', undefined],
  ['--help', undefined],
  ['purge --help', undefined],
  ['--config x', 'no command given'],
  ['lst', 'unknown command lst, did you mean ls?'],
  ['frobnicate', 'unknown command frobnicate'],
  ['toString', 'unknown command toString'],
  ['ls --rate 1', 'unknown option --rate for ls'],
  ['ls --jsn', 'unknown option --jsn for ls, did you mean --json?'],
  ['ls -x', 'unknown option -x for ls'],
  ['verify --rate', "Option '--rate <value>' argument missing"],
  ['ls --json=yes', "Option '--json' does not take an argument"],
  ['ls a b', 'unexpected argument b for ls'],
  ['purge', 'purge needs <pattern>'],
] as const) {
  test(`${line}: ${wrong ?? 'is well'}`, () => {
    const parse = () => parseCommandLine(table, line.split(' '))
    if (wrong === undefined) assert.doesNotThrow(parse)
    else assert.throws(parse, (error) => error instanceof UsageError && error.message === wrong)
  })
}

test('a command gets its own options, and what follows its name', () => {
  const line = parseCommandLine(table, ['--config', 'a', 'ls', 'node', '--json'])
  assert.ok(typeof line === 'object' && 'command' in line)
  assert.equal(line.command, table['ls'])
  assert.deepEqual([line.args, { ...line.options }], [['node'], { config: 'a', json: true }])
})
