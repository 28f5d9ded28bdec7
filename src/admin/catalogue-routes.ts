import { Hono } from 'hono'
import { z } from 'zod'
import type { ImageCatalogue } from '../ports/operations.ts'
import { IMAGE_ORDERS, isImageOrder } from '../ports/image-order.ts'
import { bodyOf, type ParsePattern, patternOf } from './body.ts'
import { jsonPieces } from './json-pieces.ts'
import { type AdminEnv, refuse } from './refuse.ts'
import { imageToJson } from './image-json.ts'
import { countText, sizeText } from '../util/human.ts'
import { futureMistake, INSTANT_MUST, parseInstant } from '../util/instant.ts'

const JSON_TYPE = { 'Content-Type': 'application/json' }

/**
 * Lists and purges stored images: `GET images?pattern=&sort=&limit=&asOf=&vanishing=true`, `GET usage`,
 * `POST purge {pattern, dryRun}`.
 *
 * @param now epoch milliseconds
 */
export function catalogueRoutes(
  catalogue: ImageCatalogue,
  parse: ParsePattern,
  now: () => number,
): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/images', async (c) => {
      const { pattern = '**', sort = 'use', limit = '0', asOf, vanishing } = c.req.query()
      if (!isImageOrder(sort)) refuse(400, `sort must be one of ${IMAGE_ORDERS.join(', ')}`)
      if (!/^\d{1,9}$/.test(limit)) refuse(400, 'limit must be a number of images')
      const order = {
        by: sort,
        limit: Number(limit) || undefined,
        asOf: instantOf(asOf, now()),
        vanishing: vanishing === 'true',
      }
      const images = await catalogue.images(patternOf(pattern, parse), order)
      return c.body(jsonPieces({ images: images.values().map(imageToJson) }), 200, JSON_TYPE)
    })
    .get('/usage', async (c) => c.body(jsonPieces(await catalogue.usage()), 200, JSON_TYPE))
    .post('/purge', async (c) => {
      const { pattern, dryRun } = await bodyOf(c, {
        pattern: z.string(),
        dryRun: z.boolean().default(false),
      })
      c.set('target', pattern)
      c.set('changesNothing', dryRun)
      const purged = await catalogue.purge(patternOf(pattern, parse), { dryRun })
      const { images, pinned, objects, bytes } = purged
      const counts = [countText(images.length, 'image'), countText(objects, 'object'), sizeText(bytes)]
      c.set('outcome', `removed ${counts.join(', ')}`)
      const answer = {
        images: images.values().map(imageToJson),
        pinned: pinned.values().map(imageToJson),
        objects,
        bytes,
      }
      return c.body(jsonPieces(answer), 200, JSON_TYPE)
    })
}

function instantOf(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  const instant = parseInstant(text) ?? refuse(400, `asOf ${INSTANT_MUST}`)
  const mistake = futureMistake(instant, now)
  return mistake === undefined ? instant : refuse(400, `asOf ${mistake}`)
}
