import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WriteStream } from 'node:tty'
import { hasColors } from '../../src/compose/log/logger.ts'

test('the log is coloured on a terminal that has colours, unless NO_COLOR says otherwise', () => {
  const { hasColors: asNodeSees, getColorDepth } = WriteStream.prototype
  const on = (isTTY: boolean, env: Record<string, string>) =>
    hasColors({
      isTTY,
      hasColors: () => Reflect.apply(asNodeSees, { getColorDepth }, [env]) as boolean,
    })
  const xterm = { TERM: 'xterm-256color' }
  assert.deepEqual(
    [on(true, xterm), on(false, xterm), on(true, { ...xterm, NO_COLOR: '1' }), on(true, { TERM: 'dumb' })],
    [true, false, false, false],
  )
})
