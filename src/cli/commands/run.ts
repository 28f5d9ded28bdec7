import type { RunReport } from '../../ports/time.ts'
import { agoText, digestText } from '../../util/human.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function run(now: () => number): Command {
  return {
    synopsis: '<run> [--lock] [--json]',
    summary: 'tells what a run of a CI system has resolved, or writes it as a lock file',
    takes: [1, 1],
    options: { ...STORE_OPTIONS, lock: { type: 'boolean', says: 'as a lock file, which `warm -f` reads' } },
    run: withProcess(async ({ json }, { args, options, stdout }) => {
      const found = await json<RunReport>('GET', `runs/${encodeURIComponent(args[0]!)}`)
      if (options['json']) writeJson(stdout, found)
      else if (options['lock']) stdout.write(lockText(found))
      else {
        const rows = found.images.map(({ image, digest, platforms, at }) => [
          image,
          digestText(digest),
          platforms.join(',') || '-',
          agoText(now() - Date.parse(at)),
        ])
        const head = ['IMAGE', 'DIGEST', 'PLATFORMS', 'RESOLVED']
        stdout.write(table([head, ...rows], { columns: stdout.columns, left: [1, 2] }))
      }
      return EXIT.done
    }),
  }
}

/** The lock file, as docs/time.md says what it is. */
function lockText({ run, startedAt, images }: RunReport): string {
  const lines = images.map(({ image, digest, platforms }) =>
    [`${image}@${digest}`, platforms.join(',')].join(' ').trimEnd(),
  )
  return [`# run ${run}, ${startedAt}`, ...lines, ''].join('\n')
}
