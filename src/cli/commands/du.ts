import type { Size } from '../../ports/operations.ts'
import { STORE_OPTIONS, withOperations } from '../client/with-operations.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { countText, sizeText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

export function du(): Command {
  return {
    synopsis: '[--json]',
    summary: 'lists what each upstream and repository takes; shared layers count once in each sum',
    takes: [0, 0],
    options: STORE_OPTIONS,
    run: withOperations(async ({ catalogue }, { options, stdout }) => {
      const usage = await catalogue.usage()
      if (options['json']) {
        writeJson(stdout, usage)
        return EXIT.done
      }
      const rows = usage.upstreams.flatMap((upstream) => [
        row(upstream.name, upstream, upstream.maxSize),
        ...upstream.repositories.map((repository) => row(`  ${repository.name}`, repository)),
      ])
      if (usage.unlinked.objects > 0) rows.push(row('of no repository', usage.unlinked))
      const head = ['REPOSITORY', 'SIZE', 'OBJECTS']
      const besides = [
        ['index', sizeText(usage.indexBytes), ''],
        ['unfinished downloads', sizeText(usage.partialBytes), ''],
      ]
      const { retained } = usage
      if (retained) besides.push(['kept for as-of', sizeText(retained.bytes), String(retained.objects)])
      stdout.write(table([head, ...rows, row('all', usage), ...besides], { columns: stdout.columns }))
      if (retained !== undefined && retained.missing > 0) {
        const images = countText(retained.missing, 'manifest')
        stdout.write(
          `${images} that views.retain was to keep: not stored any more (storage.maxSize, purge)\n`,
        )
      }
      return EXIT.done
    }),
  }
}

function row(name: string, { bytes, objects }: Size, limit?: number): readonly string[] {
  const size = sizeText(bytes)
  return [name, limit === undefined ? size : `${size} of ${sizeText(limit)}`, String(objects)]
}
