import type { JobView } from '../../../ports/moving/jobs.ts'
import { agoText } from '../../../util/human.ts'
import { STORE_OPTIONS } from '../../client/with-operations.ts'
import { withProcess } from '../../client/with-process.ts'
import { type Command, UsageError } from '../../command.ts'
import { EXIT } from '../../exit-code.ts'
import { writeJson } from '../../output/json.ts'
import { table } from '../../output/table.ts'

/** `now`: epoch milliseconds. */
export function jobs(now: () => number): Command {
  return {
    synopsis: '[--cancel ID] [--json]',
    summary:
      'lists what runs in the process and what has ended: warm, mirror, push, export, import; or cancels one',
    takes: [0, 0],
    options: {
      ...STORE_OPTIONS,
      cancel: { type: 'string', value: 'ID', says: 'ends a job, as it is listed' },
    },
    run: withProcess(async ({ json }, { options, stdout }) => {
      const id = options['cancel']?.toString()
      if (id === '') throw new UsageError('--cancel needs the job, as `entrepot jobs` lists it')
      if (id !== undefined) {
        const cancelled = await json<{ id: string }>('DELETE', `jobs/${encodeURIComponent(id)}`, {})
        if (options['json']) writeJson(stdout, cancelled)
        else stdout.write(`cancelled ${cancelled.id}\n`)
        return EXIT.done
      }
      const { jobs: all } = await json<{ jobs: JobView[] }>('GET', 'jobs')
      if (options['json']) writeJson(stdout, all)
      else {
        const rows = all.map((job) => [
          job.id,
          job.state,
          agoText(now() - Date.parse(job.startedAt)),
          job.target,
          job.said,
        ])
        const header = ['JOB', 'STATE', 'STARTED', 'TARGET', 'SAID']
        stdout.write(table([header, ...rows], { columns: stdout.columns, left: [1, 2, 3, 4] }))
      }
      return EXIT.done
    }),
  }
}
