import { imageToJson } from '../../admin/image-json.ts'
import { imageText } from '../../oci/image-pattern.ts'
import { IMAGE_ORDERS, type ImageOrder, isImageOrder } from '../../ports/image-order.ts'
import { STORE_OPTIONS, withOperations } from '../client/with-operations.ts'
import { type Command, type Invocation, UsageError } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { ageText, digestText, sizeText } from '../../util/human.ts'
import { futureMistake, INSTANT_MUST, parseInstant } from '../../util/instant.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function ls(now: () => number): Command {
  return {
    synopsis: '[pattern] [--sort size|age|use|hits] [--limit N] [--as-of DAY] [--vanishing] [--json]',
    summary: 'lists stored images, the most recently used first',
    takes: [0, 1],
    options: {
      ...STORE_OPTIONS,
      sort: { type: 'string', value: 'KEY', says: 'size, age, use or hits; omitted: use' },
      limit: { type: 'string', value: 'N', says: 'at most so many images' },
      vanishing: { type: 'boolean', says: 'only images that their upstream has no more' },
      'as-of': {
        type: 'string',
        value: 'DAY',
        says: 'what tags pointed to then: 20261101 or 20261101t083000z, UTC',
      },
    },
    run: withOperations(async ({ catalogue, patternOf }, { args, options, stdout, stderr }) => {
      const [by, limit, asOf] = [orderOf(options), limitOf(options), instantOf(options, now())]
      const pattern = patternOf(args[0] ?? '**')
      const images = await catalogue.images(pattern, {
        by,
        limit,
        asOf,
        vanishing: options['vanishing'] === true,
      })
      const isNothing = args[0] !== undefined && images.length === 0
      if (isNothing) stderr.write(`nothing matches ${pattern.text}\n`)
      if (options['json']) writeJson(stdout, images.map(imageToJson))
      if (options['json'] || isNothing) return isNothing ? EXIT.failed : EXIT.done
      const rows = images.map((image) => [
        asOf === undefined ? imageText(image) : `${imageText(image)}@${digestText(image.digest)}`,
        sizeText(image.size),
        image.storedAt === undefined ? '-' : ageText(now() - image.storedAt),
        image.lastUsed === 0 ? '-' : ageText(now() - image.lastUsed),
        String(image.hits),
        [...(image.isPinned ? ['pinned'] : []), ...(image.isVanishing ? ['vanishing'] : [])].join(', '),
      ])
      const head = ['IMAGE', 'SIZE', 'AGE', 'LAST USE', 'HITS', '']
      stdout.write(table([head, ...rows], { columns: stdout.columns, left: [5] }))
      return EXIT.done
    }),
  }
}

function orderOf({ sort = 'use' }: Invocation['options']): ImageOrder {
  const text = sort.toString()
  if (!isImageOrder(text)) throw new UsageError(`--sort must be one of ${IMAGE_ORDERS.join(', ')}`)
  return text
}

function limitOf({ limit }: Invocation['options']): number | undefined {
  if (limit === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(limit.toString())) throw new UsageError('--limit must be a number of images')
  return Number(limit)
}

function instantOf({ 'as-of': text }: Invocation['options'], now: number): number | undefined {
  if (text === undefined) return undefined
  const instant = parseInstant(text.toString())
  if (instant === undefined) throw new UsageError(`--as-of ${INSTANT_MUST}`)
  const mistake = futureMistake(instant, now)
  if (mistake !== undefined) throw new UsageError(`--as-of ${mistake}`)
  return instant
}
