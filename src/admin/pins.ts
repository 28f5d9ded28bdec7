import { Hono } from 'hono'
import { z } from 'zod'
import type { PinList } from '../ports/operations.ts'
import { bodyOf, type ParsePattern, patternOf } from './body.ts'
import { type AdminEnv, refuse } from './refuse.ts'
import { pinToJson } from './image-json.ts'

/** `GET pins`, `PUT pins {pattern}`, `DELETE pins {pattern}`: 201 or 200, whether it is new; 404 where there is none. */
export function pinRoutes(pins: PinList, parse: ParsePattern): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/pins', async (c) => c.json({ pins: (await pins.list()).map(pinToJson) }))
    .put('/pins', async (c) => {
      const { pattern } = await bodyOf(c, { pattern: z.string() })
      const parsed = patternOf(pattern, parse)
      const isNew = await pins.add(parsed)
      return c.json({ pattern: parsed.text }, isNew ? 201 : 200)
    })
    .delete('/pins', async (c) => {
      const { pattern } = await bodyOf(c, { pattern: z.string() })
      const parsed = patternOf(pattern, parse)
      if (!(await pins.remove(parsed))) refuse(404, 'there is no such pin, or it is in the configuration')
      return c.json({ pattern: parsed.text })
    })
}
