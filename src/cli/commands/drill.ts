import type { DrillReport, PullForecast } from '../../ports/insight/drill.ts'
import type { WarmedImage } from '../../ports/moving/warm.ts'
import { countText, instantText } from '../../util/human.ts'
import type { AdminClient } from '../client/admin-client.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import type { Command, Output } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

export function drill(): Command {
  return {
    synopsis: '[--upstream U] [--since 7d] [--fix] [--json]',
    summary: 'tells what pulls would get if the upstream were gone; --fix warms and pins what would fail',
    takes: [0, 0],
    options: {
      ...STORE_OPTIONS,
      upstream: { type: 'string', value: 'U', says: 'the upstream that is gone; omitted: all' },
      since: { type: 'string', value: '7d', says: 'whose pulls count, 7d without it' },
      fix: { type: 'boolean', says: 'warms and pins what would fail' },
    },
    run: withProcess(async (process, { options, stdout }) => {
      const { upstream, since = '7d' } = options
      const query = new URLSearchParams({ since: String(since) })
      if (upstream !== undefined) query.set('upstream', String(upstream))
      const ask = () => process.json<DrillReport>('GET', `drill?${query}`)
      let found = await ask()
      if (options['fix'] && found.pulls.some(fails)) {
        await fix(process, found.pulls.filter(fails), options['json'] ? undefined : stdout)
        found = await ask()
      }
      if (options['json']) writeJson(stdout, found)
      else report(found, stdout)
      return found.pulls.some(fails) ? EXIT.failed : EXIT.done
    }),
  }
}

/** Fetches what is missing, and pins what is whole then. */
async function fix(
  process: AdminClient,
  pulls: readonly PullForecast[],
  stdout: Output | undefined,
): Promise<void> {
  const images = [...Map.groupBy(pulls, ({ image }) => image)].map(([image, of]) => {
    const platforms = of.flatMap(({ platform }) => (platform?.includes('/') === true ? [platform] : []))
    return { image, platforms: platforms.length > 0 ? platforms : undefined }
  })
  for await (const line of process.lines<Pick<WarmedImage, 'image' | 'state' | 'said'>>('POST', 'warm', {
    images,
  })) {
    if (line.state === 'done') await process.status('PUT', 'pins', { pattern: line.image })
    if (stdout === undefined || line.image === undefined || !ENDS.has(line.state)) continue
    const result = line.state === 'done' ? 'fetched and pinned' : `${line.state}: ${line.said}`
    stdout.write(`${line.image}: ${result}\n`)
  }
}

const ENDS = new Set(['done', 'incomplete', 'failed', 'later'])

function fails({ forecast }: PullForecast): boolean {
  return forecast === 'incomplete' || forecast === 'gone'
}

function report({ pulls, counts, score, upstream, isCut, since }: DrillReport, stdout: Output): void {
  const rows = pulls
    .filter(({ forecast }) => forecast !== 'served')
    .map(({ image, platform, forecast, until, why, mend }) => [
      image,
      platform ?? '-',
      forecast,
      until === null ? (why ?? '') : `until ${instantText(until)}`,
      mend ?? '',
    ])
  const head = ['IMAGE', 'PLATFORM', 'FORECAST', '', 'MENDED BY']
  if (rows.length > 0) stdout.write(table([head, ...rows], { columns: stdout.columns, left: [1, 2, 3, 4] }))
  const { served, stale, incomplete, gone } = counts
  stdout.write(
    `${score} % of ${countText(pulls.length, 'pull')} since ${instantText(since)} would work without ` +
      `${upstream ?? 'any upstream'}: ` +
      `${served} served, ${stale} stale, ${incomplete} incomplete, ${gone} gone\n`,
  )
  if (isCut) stdout.write('there are more images than were looked at\n')
}
