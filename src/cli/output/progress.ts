import type { VerificationStep } from '../../ports/operations.ts'
import type { Output } from '../command.ts'
import { ageText, sizeText } from '../../util/human.ts'

export interface Progress {
  update(step: VerificationStep): void
  /** Ends the line, so that other output can follow. */
  end(): void
}

const BAR = 30

/** Draws a bar on a terminal; elsewhere writes a line at each tenth. `now`: milliseconds. */
export function progress(output: Output, now: () => number): Progress {
  const start = now()
  let tenth = 0
  let isDrawn = false

  return {
    update({ checked, total, isDone }) {
      const part = isDone || total.bytes === 0 ? 1 : Math.min(1, checked.bytes / total.bytes)
      const text = `${Math.floor(part * 100)} %, ${sizeText(checked.bytes)} of ${sizeText(total.bytes)}`
      if (output.columns !== undefined) {
        const left = part === 0 ? '' : `, ${ageText((now() - start) * (1 / part - 1))} left`
        const bar = '█'.repeat(Math.round(part * BAR)).padEnd(BAR, '·')
        // Erases the rest of the line (ECMA-48, EL): the text may be shorter than the one before.
        output.write(`\r${`${bar} ${text}${isDone ? '' : left}`.slice(0, output.columns - 1)}\u001b[K`)
        isDrawn = true
      } else if (Math.floor(part * 10) > tenth) {
        tenth = Math.floor(part * 10)
        output.write(`${text}\n`)
      }
    },
    end() {
      if (isDrawn) output.write('\n')
      isDrawn = false
    },
  }
}
