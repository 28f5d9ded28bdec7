import type { MirrorReport, MirrorRuleView, MirrorStep } from '../../../ports/moving/mirror.ts'
import type { WarmProgress } from '../../../ports/moving/warm.ts'
import { agoText, sizeText } from '../../../util/human.ts'
import { STORE_OPTIONS } from '../../client/with-operations.ts'
import { withProcess } from '../../client/with-process.ts'
import type { Command } from '../../command.ts'
import { EXIT } from '../../exit-code.ts'
import { bars } from '../../output/bars.ts'
import { writeJson } from '../../output/json.ts'

type Line = MirrorStep | { readonly reports: readonly MirrorReport[]; readonly isDone: true }

/** `now`: epoch milliseconds. */
export function mirror(now: () => number): Command {
  return {
    synopsis: '[--run] [--json]',
    summary: 'what the rules of `mirror` have fetched ahead, what is missing and why; --run runs them now',
    takes: [0, 0],
    options: { ...STORE_OPTIONS, run: { type: 'boolean', says: 'runs all rules now' } },
    run: withProcess(async (process, { options, stdout, stderr }) => {
      if (options['run'] !== true) {
        const { rules } = await process.json<{ rules: MirrorRuleView[] }>('GET', 'mirror')
        if (options['json']) writeJson(stdout, rules)
        else if (rules.length === 0) stdout.write('no rule is configured: add one to mirror\n')
        else for (const rule of rules) stdout.write(ruleText(rule, now()))
        return rules.every(({ last, failure }) => failure === null && (last?.problems.length ?? 0) === 0)
          ? EXIT.done
          : EXIT.failed
      }
      const shown = bars(stderr, () => performance.now())
      const running = new Map<string, WarmProgress>()
      for await (const line of process.lines<Line>('POST', 'mirror', {})) {
        if ('isDone' in line) {
          shown.end()
          if (options['json']) writeJson(stdout, line.reports)
          else for (const report of line.reports) stdout.write(reportText(report))
          return line.reports.every(({ ended, problems }) => ended === 'done' && problems.length === 0)
            ? EXIT.done
            : EXIT.failed
        }
        if (line.state === 'running') running.set(line.image, line)
        else running.delete(line.image)
        shown.draw(
          [...running.values()].map(({ image, done, bytes }) => ({ text: image, done, total: bytes })),
        )
      }
      throw new Error('the process has ended the job before it was done')
    }),
  }
}

function ruleText({ rule, schedule, isRunning, last, failure }: MirrorRuleView, now: number): string {
  const state = isRunning ? ', runs now' : last === null ? ', has not run yet' : ''
  const failed = failure === null ? '' : `  failed: ${failure}\n`
  const ran =
    last === null ? '' : `  ended ${agoText(now - Date.parse(last.endedAt))}\n${reportText(last, '  ')}`
  return `${rule} (${schedule})${state}\n${failed}${ran}`
}

const ENDED = {
  done: '',
  window: ', its window was over',
  later: ', the rate limit was nearly used up',
} as const

function reportText({ rule, ended, wanted, done, fetched, problems }: MirrorReport, indent = ''): string {
  const head = `${done} of ${wanted} tags stored, ${sizeText(fetched)} fetched${ENDED[ended]}`
  const lines = problems.map(({ image, why }) => `${indent}  ${image}: ${why}\n`)
  return `${indent}${indent === '' ? `${rule}: ` : ''}${head}\n${lines.join('')}`
}
