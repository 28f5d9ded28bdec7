import { imageText } from '../../oci/image-pattern.ts'
import { type Command, patternFrom } from '../command.ts'
import { countText, sizeText } from '../output/human.ts'
import { table } from '../output/table.ts'
import { withOperations } from '../client/with-operations.ts'

export function purge(): Command {
  return {
    synopsis: '<pattern> [--dry-run]',
    summary: 'forgets images and removes what only they use; pinned ones stay',
    takes: [1, 1],
    options: { 'dry-run': { type: 'boolean' } },
    run: withOperations(async ({ catalogue }, invocation) => {
      const { args, options, stdout, stderr } = invocation
      const pattern = patternFrom(args[0]!, invocation)
      const dryRun = options['dry-run'] === true
      const { images, pinned, objects, bytes } = await catalogue.purge(pattern, { dryRun })
      for (const image of pinned) stderr.write(`${imageText(image)} is pinned, and stays\n`)
      if (images.length === 0 && objects === 0) {
        if (pinned.length === 0) stderr.write(`nothing matches ${pattern.text}\n`)
        return 1
      }
      const rows = images.map((image) => [imageText(image), sizeText(image.size)])
      stdout.write(table(rows, { columns: stdout.columns }))
      const what = `${countText(images.length, 'image')}, ${countText(objects, 'object')}, ${sizeText(bytes)}`
      stdout.write(dryRun ? `would go: ${what}\n` : `gone: ${what}\n`)
      return 0
    }),
  }
}
