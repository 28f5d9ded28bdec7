import { purgedToJson } from '../../admin/image-json.ts'
import { imageText } from '../../oci/image-pattern.ts'
import { STORE_OPTIONS, withOperations } from '../client/with-operations.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { countText, sizeText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

export function purge(): Command {
  return {
    synopsis: '<pattern> [--dry-run] [--json]',
    summary: 'removes images, and what no other image uses; pinned images stay',
    takes: [1, 1],
    options: {
      ...STORE_OPTIONS,
      'dry-run': { type: 'boolean', says: 'removes nothing, and says what it would' },
    },
    run: withOperations(async ({ catalogue, patternOf }, { args, options, stdout, stderr }) => {
      const pattern = patternOf(args[0]!)
      const dryRun = options['dry-run'] === true
      const purged = await catalogue.purge(pattern, { dryRun })
      const { images, pinned, objects, bytes } = purged
      const isNothing = images.length === 0 && objects === 0
      for (const image of pinned) stderr.write(`${imageText(image)} is pinned, and stays\n`)
      if (isNothing && pinned.length === 0) stderr.write(`nothing matches ${pattern.text}\n`)
      if (options['json']) {
        writeJson(stdout, purgedToJson(purged))
      } else if (!isNothing) {
        const rows = images.map((image) => [imageText(image), sizeText(image.size)])
        const counts = `${countText(images.length, 'image')}, ${countText(objects, 'object')}`
        stdout.write(table(rows, { columns: stdout.columns }))
        stdout.write(`${dryRun ? 'would remove' : 'removed'}: ${counts}, ${sizeText(bytes)}\n`)
      }
      return isNothing ? EXIT.failed : EXIT.done
    }),
  }
}
