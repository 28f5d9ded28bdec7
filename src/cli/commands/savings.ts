import type { SavedReport, SavingsReport } from '../../ports/insight/savings.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { durationText, sizeText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

export function savings(): Command {
  return {
    synopsis: '[--by upstream|repository|client|day] [--since 7d] [--json]',
    summary: 'tells what the cache spared: requests, bytes, seconds, rate limit',
    takes: [0, 0],
    options: {
      ...STORE_OPTIONS,
      by: {
        type: 'string',
        value: 'KEY',
        says: 'upstream, repository, client (a network) or day; omitted: upstream',
      },
      since: { type: 'string', value: '7d', says: 'how many days to look back, 30d without it' },
    },
    run: withProcess(async ({ json }, { options, stdout }) => {
      const { by = 'upstream', since = '30d' } = options
      const query = new URLSearchParams({ by: String(by), since: String(since) })
      const found = await json<SavingsReport>('GET', `savings?${query}`)
      if (options['json']) {
        writeJson(stdout, found)
        return EXIT.done
      }
      const head = [found.by.toUpperCase(), 'BYTES', 'REQUESTS', 'RATE LIMIT', 'TIME']
      const rows = [...found.rows, { name: `all since ${found.since}`, ...found.total }]
      stdout.write(table([head, ...rows.map(row)], { columns: stdout.columns }))
      return EXIT.done
    }),
  }
}

function row({ name, bytes, requests, budget, seconds }: SavedReport & { readonly name: string }) {
  return [
    name,
    sizeText(bytes),
    String(requests),
    String(budget),
    seconds === null ? '-' : durationText(seconds * 1000),
  ]
}
