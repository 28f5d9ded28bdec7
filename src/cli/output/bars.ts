import { sizeText } from '../../util/human.ts'
import type { Output } from '../command.ts'

/** One line that is redrawn while its work goes on. */
export interface Bar {
  readonly text: string
  readonly done: number
  /** 0 = not known yet. */
  readonly total: number
  readonly unit?: 'bytes' | 'count'
}

export interface Bars {
  /** Replaces the bars; nothing happens where there is no terminal. */
  draw(bars: readonly Bar[]): void
  /** Runs `write`, which writes lines that stay, above the bars. */
  above(write: () => void): void
  /** Removes the bars, so that other output can follow. */
  end(): void
}

const WIDTH = 24
const MOST_BARS = 12
/** Milliseconds between two drawings. */
const PAUSE = 100

/** Bars at the bottom of a terminal. `now`: monotonic milliseconds. */
export function bars(output: Output, now: () => number): Bars {
  const isTerminal = output.columns !== undefined
  let drawn = 0
  let last = -Infinity
  let current: readonly Bar[] = []

  return {
    draw(wanted) {
      current = wanted
      if (!isTerminal || now() - last < PAUSE) return
      last = now()
      redraw()
    },
    above(write) {
      erase()
      write()
      if (isTerminal) redraw()
    },
    end() {
      erase()
      current = []
    },
  }

  function redraw(): void {
    erase()
    const shown = current.slice(0, MOST_BARS)
    const width = (output.columns ?? 80) - 1
    for (const bar of shown) output.write(`${lineOf(bar, width)}\n`)
    drawn = shown.length
  }

  /** Up to the first bar, and from there all is erased (ECMA-48: CPL, ED). */
  function erase(): void {
    if (drawn > 0) output.write(`\u001b[${drawn}F\u001b[J`)
    drawn = 0
  }
}

function lineOf({ text, done, total, unit = 'bytes' }: Bar, width: number): string {
  const part = total === 0 ? 0 : Math.min(1, done / total)
  const bar = '█'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '·')
  const amounts = unit === 'bytes' ? `${sizeText(done)} of ${sizeText(total)}` : `${done} of ${total}`
  const end = ` ${bar} ${String(Math.floor(part * 100)).padStart(3)} %  ${total === 0 ? '' : amounts}`
  const room = Math.max(10, width - end.length)
  const name = text.length > room ? `…${text.slice(text.length - room + 1)}` : text
  return `${name.padEnd(Math.min(room, 48))}${end}`.slice(0, width)
}
