import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mistakeIn, storeCommands } from '../../src/cli/commands.ts'

for (const [name, args, options, mistake] of [
  ['ls', [], {}, undefined],
  ['ls', ['node'], { json: true, config: 'x' }, undefined],
  ['unpin', ['node'], {}, undefined],
  ['lst', [], {}, 'unknown command `lst`, did you mean `ls`?'],
  ['frobnicate', [], {}, 'unknown command `frobnicate`'],
  ['toString', [], {}, 'unknown command `toString`'],
  ['ls', [], { rate: '1' }, '--rate is nothing that `ls` knows'],
  ['ls', ['a', 'b'], {}, '`b` is too much for `ls`'],
  ['purge', [], {}, '`purge` needs <pattern>'],
] as const) {
  test(`${name} ${args.join(' ')} ${JSON.stringify(options)}: ${mistake ?? 'is well'}`, () => {
    assert.equal(mistakeIn(storeCommands(Date.now), name, args, options), mistake)
  })
}
