import type { TrustedJson } from '../../admin/time/trust-routes.ts'
import type { AdminClient } from '../client/admin-client.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import { type Command, type Invocation, UsageError } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { agoText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function trust(now: () => number): Command {
  return {
    synopsis: '[image@digest] [--remove] [--json]',
    summary: 'serves a new digest of a tag at once, without its cool-down; without an image, lists them',
    takes: [0, 1],
    options: { ...STORE_OPTIONS, remove: { type: 'boolean', says: 'takes it back' } },
    run: withProcess(async (process, invocation) => {
      const { args, options, stdout } = invocation
      const [image] = args
      if (image === undefined) {
        if (options['remove']) throw new UsageError('trust --remove needs an image')
        return list(process, invocation, now)
      }
      const isRemoved = options['remove'] === true
      const told = await process.json<{ image: string }>(isRemoved ? 'DELETE' : 'POST', 'trust', { image })
      if (options['json']) writeJson(stdout, { ...told, trusted: !isRemoved })
      else stdout.write(`${isRemoved ? 'not trusted any more' : 'trusted'}: ${told.image}\n`)
      return EXIT.done
    }),
  }
}

async function list(
  { json }: AdminClient,
  { options, stdout }: Invocation,
  now: () => number,
): Promise<ExitCode> {
  const { trusted } = await json<{ trusted: TrustedJson[] }>('GET', 'trust')
  if (options['json']) {
    writeJson(stdout, trusted)
    return EXIT.done
  }
  const rows = trusted.map(({ image, since }) => [image, agoText(now() - Date.parse(since))])
  stdout.write(table([['IMAGE', 'SINCE'], ...rows], { columns: stdout.columns, left: [1] }))
  return EXIT.done
}
