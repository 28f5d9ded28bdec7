import { imageToJson } from '../../admin/image-json.ts'
import { imageText } from '../../oci/image-pattern.ts'
import { STORE_OPTIONS, withOperations } from '../client/with-operations.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { ageText, sizeText } from '../output/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function ls(now: () => number): Command {
  return {
    synopsis: '[pattern] [--json]',
    summary: 'lists stored images, the most recently used first',
    takes: [0, 1],
    options: STORE_OPTIONS,
    run: withOperations(async ({ catalogue, patternOf }, { args, options, stdout }) => {
      const images = await catalogue.images(patternOf(args[0] ?? '**'))
      if (options['json']) {
        writeJson(stdout, images.map(imageToJson))
        return EXIT.done
      }
      const rows = images.map((image) => [
        imageText(image),
        sizeText(image.size),
        image.storedAt === undefined ? '-' : ageText(now() - image.storedAt),
        ageText(now() - image.lastUsed),
        String(image.hits),
        image.isPinned ? 'pinned' : '',
      ])
      const head = ['IMAGE', 'SIZE', 'AGE', 'LAST USE', 'HITS', '']
      stdout.write(table([head, ...rows], { columns: stdout.columns, left: [5] }))
      return EXIT.done
    }),
  }
}
