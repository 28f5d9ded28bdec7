import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ageText, countText, sizeText } from '../../src/util/human.ts'
import { progress } from '../../src/cli/output/progress.ts'
import { table } from '../../src/cli/output/table.ts'

const MiB = 1024 * 1024

test('numbers as people read them', () => {
  const sizes = [0, 1, 1023, 1024, 3.44 * MiB, 9.97 * MiB, 10.4 * MiB, 1023.4 * MiB, 1023.6 * MiB, 2 ** 60]
  assert.deepEqual(sizes.map(sizeText), [
    '0 B',
    '1 B',
    '1023 B',
    '1.0 KiB',
    '3.4 MiB',
    '10 MiB',
    '10 MiB',
    '1023 MiB',
    '1.0 GiB',
    '1024 PiB',
  ])
  const ages = [-5, 0, 999, 1_000, 59_999, 60_000, 3_599_999, 7_200_000, 86_399_999, 40 * 86_400_000]
  assert.deepEqual(ages.map(ageText), [
    'now',
    'now',
    'now',
    '1 s',
    '59 s',
    '1 min',
    '59 min',
    '2 h',
    '23 h',
    '40 d',
  ])
  assert.deepEqual(
    [0, 1, 2].map((count) => countText(count, 'image')),
    ['0 images', '1 image', '2 images'],
  )
})

suite('a table', () => {
  const rows = [
    ['IMAGE', 'SIZE', ''],
    ['docker.io/library/alpine:3.20', '3.4 MiB', 'pinned'],
    ['a', '12 B', ''],
  ]
  test('is as wide as its content', () => {
    assert.equal(
      table(rows, { left: [2] }),
      'IMAGE                             SIZE\ndocker.io/library/alpine:3.20  3.4 MiB  pinned\na                                 12 B\n',
    )
  })

  test('fits the terminal: names lose their middle, other columns nothing', () => {
    const lines = table(rows, { columns: 40, left: [2] })
      .trimEnd()
      .split('\n')
    assert.deepEqual(lines, [
      'IMAGE                       SIZE',
      'docker.io/l…alpine:3.20  3.4 MiB  pinned',
      'a                           12 B',
    ])
    for (const columns of [40, 45, 60])
      assert.ok(
        table(rows, { columns })
          .split('\n')
          .every((line) => line.length <= columns),
      )
  })

  test('of nothing is nothing', () => {
    assert.equal(table([]), '')
  })
})

suite('progress', () => {
  const total = { objects: 10, bytes: 100 * MiB }
  const step = (bytes: number, isDone = false) => ({ checked: { objects: 1, bytes }, total, bad: [], isDone })
  const written = (columns?: number) => {
    const texts: string[] = []
    let now = 0
    const shown = progress({ write: (text) => texts.push(text), columns }, () => now)
    for (const percent of [0, 4, 11, 15, 55]) {
      now = percent * 1_000
      shown.update(step(percent * MiB))
    }
    shown.update(step(100 * MiB, true))
    shown.end()
    return texts
  }

  test('elsewhere: a line at each tenth', () => {
    assert.deepEqual(written(), [
      '11 %, 11 MiB of 100 MiB\n',
      '55 %, 55 MiB of 100 MiB\n',
      '100 %, 100 MiB of 100 MiB\n',
    ])
  })

  test('on a terminal: one line, drawn again, that fits', () => {
    const texts = written(80)
    assert.equal(texts.at(-1), '\n')
    assert.equal(texts[4], `\r${'█'.repeat(17)}${'·'.repeat(13)} 55 %, 55 MiB of 100 MiB, 45 s left\u001b[K`)
    for (const text of written(30).slice(0, -1)) assert.ok(text.length <= 30 + 4, JSON.stringify(text))
  })

  test('of an empty store is done', () => {
    const texts: string[] = []
    const none = { objects: 0, bytes: 0 }
    progress({ write: (text) => texts.push(text) }, () => 0).update({
      checked: none,
      total: none,
      bad: [],
      isDone: true,
    })
    assert.deepEqual(texts, ['100 %, 0 B of 0 B\n'])
  })
})
