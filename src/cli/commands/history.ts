import type { Why } from '../../ports/insight/why.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { agoText, instantText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function history(now: () => number): Command {
  return {
    synopsis: '<image> [--json]',
    summary: 'lists what a tag was seen to point to, the newest first',
    takes: [1, 1],
    options: STORE_OPTIONS,
    run: withProcess(async ({ json }, { args, options, stdout, stderr }) => {
      const { image, history: changes } = await json<Why>('GET', `why?image=${encodeURIComponent(args[0]!)}`)
      if (options['json']) {
        writeJson(stdout, { image, history: changes })
      } else if (changes.length > 0) {
        const rows = changes.map(({ at, digest }) => [
          digest,
          instantText(at),
          agoText(now() - Date.parse(at)),
        ])
        stdout.write(table([['DIGEST', 'SINCE', ''], ...rows], { columns: stdout.columns, left: [1] }))
      }
      if (changes.length > 0) return EXIT.done
      stderr.write(`nothing is known of the past of ${image}\n`)
      return EXIT.failed
    }),
  }
}
