import type { RefreshedTag } from '../../../ports/moving/warm.ts'
import { STORE_OPTIONS } from '../../client/with-operations.ts'
import { withProcess } from '../../client/with-process.ts'
import type { Command } from '../../command.ts'
import { EXIT, type ExitCode } from '../../exit-code.ts'
import { writeJson } from '../../output/json.ts'

export function refresh(): Command {
  return {
    synopsis: '<image>… [--json]',
    summary: 'asks upstream now what tags point to, however fresh they are',
    takes: [1, 1_000],
    options: STORE_OPTIONS,
    run: withProcess(async ({ json }, { args, options, stdout, stderr }) => {
      const tags: RefreshedTag[] = []
      let code: ExitCode = EXIT.done
      for (const image of args) {
        try {
          const tag = await json<RefreshedTag>('POST', 'refresh', { image })
          tags.push(tag)
          if (tag.to === null) code = EXIT.failed
          if (!options['json']) stdout.write(`${tag.image}: ${textOf(tag)}\n`)
        } catch (error) {
          code = EXIT.failed
          stderr.write(`entrepot: ${(error as Error).message}\n`)
        }
      }
      if (options['json']) writeJson(stdout, tags)
      return code
    }),
  }
}

function textOf({ from, to, served }: RefreshedTag): string {
  if (to === null) {
    const kept = served === null ? '' : `; pulls get ${served}, which cache.keepDeleted keeps`
    return `does not exist upstream${kept}`
  }
  const held = served === to ? '' : `; pulls get ${served} until its cool-down is over`
  if (from === null) return `${to}, not known before${held}`
  return from === to ? `unchanged, ${to}${held}` : `moved from ${from} to ${to}${held}`
}
