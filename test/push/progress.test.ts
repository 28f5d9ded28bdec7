import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushProgress } from '../../src/cli/output/push-progress.ts'
import type { PushedImage, PushStep } from '../../src/ports/moving/push.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`

function steps(): readonly PushStep[] {
  const image = (number: number, more: Partial<PushedImage>): PushedImage => ({
    image: `docker.io/org/app:${number}`,
    digest: DIGEST,
    to: `there.example/org/app:${number}`,
    size: 4096,
    state: 'pushing',
    ...more,
  })
  const upload = { repository: 'org/app', digest: DIGEST, size: 2048, sent: 1024 }
  return [
    { step: 'plan', images: 2, bytes: 8192 },
    { step: 'images', images: [image(1, {})] },
    { step: 'uploads', uploads: [upload] },
    {
      step: 'images',
      images: [image(1, { state: 'pushed', sent: 2048, blobs: { sent: 1, mounted: 3, present: 0 } })],
    },
    { step: 'images', images: [image(2, { state: 'failed', reason: 'it is full' })] },
  ]
}

test('elsewhere than on a terminal a push is a line for each image that has ended', () => {
  let written = ''
  const shown = pushProgress({ write: (text) => (written += text) })
  for (const step of steps()) shown.update(step)
  shown.end()
  assert.equal(
    written,
    'docker.io/org/app:1 → there.example/org/app:1: pushed (2.0 KiB sent, 3 mounted)\n' +
      'docker.io/org/app:2 → there.example/org/app:2: failed (it is full)\n',
  )
})

test('on a terminal there are a bar for the images and one for each layer, below what has ended', () => {
  let written = ''
  const shown = pushProgress({ write: (text) => (written += text), columns: 80 })
  for (const step of steps()) shown.update(step)
  const drawn = written
  shown.end()
  assert.match(drawn, /·{20} 0 of 2 images\n {2}█{10}·{10} 1\.0 KiB of 2\.0 KiB {2}abababababab org\/app\n/)
  assert.match(drawn, /█{20} 2 of 2 images/)
  // What is drawn last stands alone: the bars before it were erased, and the line that has ended was not.
  const screen = screenOf(written)
  assert.deepEqual(screen, [
    'docker.io/org/app:1 → there.example/org/app:1: pushed (2.0 KiB sent, 3 mounted)',
    'docker.io/org/app:2 → there.example/org/app:2: failed (it is full)',
  ])
})

/** What a terminal shows in the end, as far as CUU and ED are concerned (ECMA-48). */
function screenOf(written: string): readonly string[] {
  const lines: string[] = ['']
  let row = 0
  for (const [, up, erase, newline, text] of written.matchAll(
    // oxlint-disable-next-line no-control-regex -- they are what is read
    /\u001b\[(\d+)A|(\u001b\[J)|(\n)|\r|([^\u001b\n\r]+)/g,
  )) {
    if (up !== undefined) row -= Number(up)
    else if (erase !== undefined) lines.splice(row, lines.length, '')
    else if (newline !== undefined) lines[(row += 1)] ??= ''
    else if (text !== undefined) lines[row] = text
  }
  return lines.filter((line) => line !== '')
}
