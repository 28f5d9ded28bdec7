import type { Why } from '../../ports/insight/why.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { agoText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { whyText } from '../output/why-text.ts'

/** `now`: epoch milliseconds. */
export function why(now: () => number): Command {
  return {
    synopsis: '<image> [--json]',
    summary: 'tells where an image comes from, what of it is stored, and what a pull would do now',
    takes: [1, 1],
    options: STORE_OPTIONS,
    run: withProcess(async ({ json }, { args, options, stdout }) => {
      const found = await json<Why>('GET', `why?image=${encodeURIComponent(args[0]!)}`)
      if (options['json']) writeJson(stdout, found)
      else stdout.write(whyText(found, (instant) => agoText(now() - Date.parse(instant)), now()))
      return found.works === 'no' ? EXIT.failed : EXIT.done
    }),
  }
}
