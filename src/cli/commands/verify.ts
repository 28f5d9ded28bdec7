import { size } from '../../config/quantities.ts'
import type { BadObject } from '../../ports/operations.ts'
import { type Command, UsageMistake } from '../command.ts'
import { countText, sizeText } from '../output/human.ts'
import { progress } from '../output/progress.ts'
import { table } from '../output/table.ts'
import { withOperations } from '../client/with-operations.ts'

const RATE = '50MiB'

/** `now`: milliseconds. */
export function verify(now: () => number): Command {
  return {
    synopsis: '[--rate 50MiB] [--json]',
    summary: 'hashes all that is stored, so many bytes a second, and removes what is damaged',
    takes: [0, 0],
    options: { rate: { type: 'string' }, json: { type: 'boolean' } },
    run: (invocation) => {
      const bytesPerSecond = rateFrom(invocation.options['rate'] ?? RATE)
      return withOperations(async ({ verify }, { options, stdout, stderr }) => {
        const bad: BadObject[] = []
        let checked = { objects: 0, bytes: 0 }
        const shown = progress(stderr, now)
        for await (const step of verify({ bytesPerSecond })) {
          bad.push(...step.bad)
          ;({ checked } = step)
          shown.tell(step)
        }
        shown.end()
        if (options['json']) stdout.write(`${JSON.stringify({ ...checked, bad }, undefined, 2)}\n`)
        else stdout.write(report(checked, bad, stdout.columns))
        return bad.length === 0 ? 0 : 1
      })(invocation)
    },
  }
}

function rateFrom(text: string | boolean): number {
  const rate = size.parse(String(text))
  if (rate === undefined || rate === 0)
    throw new UsageMistake(`--rate ${text}: must be bytes per second, such as 50MiB or 1GB`)
  return rate
}

function report(
  checked: { readonly objects: number; readonly bytes: number },
  bad: readonly BadObject[],
  columns: number | undefined,
): string {
  const all = `${countText(checked.objects, 'object')}, ${sizeText(checked.bytes)}`
  if (bad.length === 0) return `verified ${all}: all are what they should be\n`
  const rows = bad.map(({ digest, size, problem, repositories }) => [
    digest,
    sizeText(size),
    problem,
    repositories.join(', '),
  ])
  return [
    table([['DIGEST', 'SIZE', 'PROBLEM', 'OF'], ...rows], { columns, left: [2, 3] }),
    `verified ${all}: ${countText(bad.length, 'object')} removed, to be fetched again when somebody asks\n`,
  ].join('')
}
