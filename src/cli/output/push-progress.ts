import type { PushedImage, PushStep, RunningUpload } from '../../ports/moving/push.ts'
import { countText, sizeText } from '../../util/human.ts'
import type { Output } from '../command.ts'

export interface PushProgressOutput {
  update(step: PushStep): void
  /** Leaves what was said, and takes the bars away. */
  end(): void
}

const BAR = 20
/** Bars of layers at most. */
const MOST = 8

/**
 * Shows a push: on a terminal a bar for all images and one for each layer that is on its way, below a line for
 * each image that has ended; elsewhere only those lines.
 */
export function pushProgress(output: Output, isShown = true): PushProgressOutput {
  if (!isShown) return { update() {}, end() {} }
  const { columns } = output
  let total = 0
  let ended = 0
  let drawn = 0
  let uploads: readonly RunningUpload[] = []

  /** Moves to the first line of the bars and erases from there (ECMA-48 CUU, ED). */
  const clear = (): string => (drawn === 0 ? '' : `\u001b[${drawn}A\r\u001b[J`)
  const bars = (): readonly string[] => {
    if (columns === undefined || total === 0) return []
    const all = `${barOf(ended, total)} ${ended} of ${countText(total, 'image')}`
    const begun = uploads.filter(({ sent }) => sent > 0)
    const layers = begun.slice(0, MOST).map(layerText)
    const more = uploads.length - layers.length
    return [all, ...layers, ...(more > 0 ? [`  ${countText(more, 'more layer')} to come`] : [])].map((line) =>
      line.slice(0, columns - 1),
    )
  }
  const draw = (lines: readonly string[]): void => {
    const below = bars()
    const text = [...lines, ...below].map((line) => `${line}\n`).join('')
    output.write(`${clear()}${text}`)
    drawn = below.length
  }

  return {
    update(step) {
      if (step.step === 'plan') total = step.images
      if (step.step === 'uploads') ({ uploads } = step)
      const over = step.step === 'images' ? step.images.filter(({ state }) => state !== 'pushing') : []
      ended += over.length
      if (over.length > 0 || columns !== undefined) draw(over.map(imageText))
    },
    end() {
      output.write(clear())
      drawn = 0
    },
  }
}

function imageText({ image, to, state, size, sent = 0, blobs, sparse, reason }: PushedImage): string {
  const parts = [
    ...(state === 'planned' ? [sizeText(size)] : []),
    ...(state === 'pushed' ? [`${sizeText(sent)} sent`] : []),
    ...(blobs !== undefined && blobs.mounted > 0 ? [`${blobs.mounted} mounted`] : []),
    ...(sparse === undefined ? [] : [`sparse: only ${sparse.join(', ')}`]),
    ...(reason === undefined ? [] : [reason]),
  ]
  const said = parts.length === 0 ? '' : ` (${parts.join(', ')})`
  return `${image} → ${to}: ${state === 'planned' ? 'would be pushed' : state}${said}`
}

function layerText({ repository, digest, size, sent }: RunningUpload): string {
  const short = digest.slice(digest.indexOf(':') + 1).slice(0, 12)
  return `  ${barOf(sent, size)} ${sizeText(sent)} of ${sizeText(size)}  ${short} ${repository}`
}

function barOf(done: number, all: number): string {
  const part = all === 0 ? 1 : Math.min(1, done / all)
  return '█'.repeat(Math.round(part * BAR)).padEnd(BAR, '·')
}
