import { Hono } from 'hono'
import { z } from 'zod'
import type { ImageCatalogue } from '../ports/operations.ts'
import { bodyOf, type ParsePattern, patternOf } from './body.ts'
import { IMAGE_ORDERS, inOrder, isImageOrder } from './image-order.ts'
import { type AdminEnv, refuse } from './refuse.ts'
import { imageToJson, purgedToJson } from './image-json.ts'

/** Lists and purges stored images: `GET images?pattern=&sort=&limit=`, `GET usage`, `POST purge {pattern, dryRun}`. */
export function catalogueRoutes(catalogue: ImageCatalogue, parse: ParsePattern): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/images', async (c) => {
      const { pattern = '**', sort = 'use', limit = '0' } = c.req.query()
      if (!isImageOrder(sort)) refuse(400, `sort must be one of ${IMAGE_ORDERS.join(', ')}`)
      if (!/^\d{1,9}$/.test(limit)) refuse(400, 'limit must be a number of images')
      const all = await catalogue.images(patternOf(pattern, parse))
      const images = inOrder(all, sort, Number(limit) || undefined)
      return c.json({ images: images.map(imageToJson) })
    })
    .get('/usage', async (c) => c.json(await catalogue.usage()))
    .post('/purge', async (c) => {
      const { pattern, dryRun } = await bodyOf(c, {
        pattern: z.string(),
        dryRun: z.boolean().default(false),
      })
      c.set('target', pattern)
      c.set('changesNothing', dryRun)
      const purged = await catalogue.purge(patternOf(pattern, parse), { dryRun })
      c.set(
        'outcome',
        `removed images: ${purged.images.length}, objects: ${purged.objects}, bytes: ${purged.bytes}`,
      )
      return c.json(purgedToJson(purged))
    })
}
