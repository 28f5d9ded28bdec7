import { Hono } from 'hono'
import { z } from 'zod'
import type { ImageCatalogue } from '../ports/operations.ts'
import { bodyOf, type ParsePattern, patternOf } from './body.ts'
import type { AdminEnv } from './refuse.ts'
import { imageToJson, purgedToJson } from './image-json.ts'

/** Lists and purges stored images: `GET images?pattern=`, `GET usage`, `POST purge {pattern, dryRun}`. */
export function catalogueRoutes(catalogue: ImageCatalogue, parse: ParsePattern): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/images', async (c) => {
      const images = await catalogue.images(patternOf(c.req.query('pattern') ?? '**', parse))
      return c.json({ images: images.map(imageToJson) })
    })
    .get('/usage', async (c) => c.json(await catalogue.usage()))
    .post('/purge', async (c) => {
      const { pattern, dryRun } = await bodyOf(c, {
        pattern: z.string(),
        dryRun: z.boolean().default(false),
      })
      return c.json(purgedToJson(await catalogue.purge(patternOf(pattern, parse), { dryRun })))
    })
}
