import { imageToJson } from '../../admin/image-json.ts'
import { imageText } from '../../oci/image-pattern.ts'
import { type Command, patternFrom } from '../command.ts'
import { ageText, sizeText } from '../output/human.ts'
import { table } from '../output/table.ts'
import { withOperations } from '../client/with-operations.ts'

/** `now`: epoch milliseconds. */
export function ls(now: () => number): Command {
  return {
    synopsis: '[pattern] [--json]',
    summary: 'images in the store, the last used first',
    takes: [0, 1],
    options: { json: { type: 'boolean' } },
    run: withOperations(async ({ catalogue }, invocation) => {
      const { args, options, stdout } = invocation
      const images = await catalogue.images(patternFrom(args[0] ?? '**', invocation))
      if (options['json']) {
        stdout.write(`${JSON.stringify(images.map(imageToJson), undefined, 2)}\n`)
        return 0
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
      return 0
    }),
  }
}
