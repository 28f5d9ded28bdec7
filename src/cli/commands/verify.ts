import { size } from '../../config/schema/quantities.ts'
import type { BadObject } from '../../ports/operations.ts'
import { STORE_OPTIONS, withOperations } from '../client/with-operations.ts'
import { type Command, UsageError } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { countText, sizeText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { progress } from '../output/progress.ts'
import { table } from '../output/table.ts'

const RATE = '50MiB'

/** `now`: milliseconds. */
export function verify(now: () => number): Command {
  return {
    synopsis: '[--rate 50MiB] [--json]',
    summary: 'hashes everything stored, at so many bytes per second, and removes damaged objects',
    takes: [0, 0],
    options: {
      ...STORE_OPTIONS,
      rate: { type: 'string', value: '50MiB', says: 'bytes per second, 50MiB without it' },
    },
    run: (invocation) => {
      const bytesPerSecond = rateFrom(String(invocation.options['rate'] ?? RATE))
      return withOperations(async ({ verify }, { options, stdout, stderr }) => {
        const bad: BadObject[] = []
        let checked = { objects: 0, bytes: 0 }
        const shown = progress(stderr, now)
        for await (const step of verify({ bytesPerSecond })) {
          bad.push(...step.bad)
          ;({ checked } = step)
          shown.update(step)
        }
        shown.end()
        if (options['json']) writeJson(stdout, { ...checked, bad })
        else stdout.write(report(checked, bad, stdout.columns))
        return bad.length === 0 ? EXIT.done : EXIT.failed
      })(invocation)
    },
  }
}

function rateFrom(text: string): number {
  const rate = size.parse(text)
  if (rate === undefined || rate === 0)
    throw new UsageError(`--rate ${text}: must be bytes per second, such as 50MiB or 1GB`)
  return rate
}

function report(
  checked: { readonly objects: number; readonly bytes: number },
  bad: readonly BadObject[],
  columns: number | undefined,
): string {
  const all = `${countText(checked.objects, 'object')}, ${sizeText(checked.bytes)}`
  if (bad.length === 0) return `verified ${all}: no damage found\n`
  const rows = bad.map(({ digest, size, problem, repositories }) => [
    digest,
    sizeText(size),
    problem,
    repositories.join(', '),
  ])
  return [
    table([['DIGEST', 'SIZE', 'PROBLEM', 'OF'], ...rows], { columns, left: [2, 3] }),
    `verified ${all}: ${countText(bad.length, 'damaged object')} removed, fetched again at the next pull\n`,
  ].join('')
}
