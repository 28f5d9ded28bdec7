import { Hono } from 'hono'
import { z } from 'zod'
import type { PinList } from '../ports/operations.ts'
import { bodyOf, type ParsePattern, patternOf } from './body.ts'
import { type AdminEnv, refuse } from './refuse.ts'
import { pinToJson } from './image-json.ts'

/**
 * `GET pins`, `PUT pins {pattern}` (201 when the pin is new), `DELETE pins {pattern}` (404 when there is
 * none).
 */
export function pinRoutes(pins: PinList, parse: ParsePattern): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/pins', async (c) => c.json({ pins: (await pins.list()).map(pinToJson) }))
    .put('/pins', async (c) => {
      const { pattern } = await bodyOf(c, { pattern: z.string() })
      c.set('target', pattern)
      const parsed = patternOf(pattern, parse)
      const isNew = await pins.add(parsed)
      return c.json({ pattern: parsed.text }, isNew ? 201 : 200)
    })
    .delete('/pins', async (c) => {
      const { pattern } = await bodyOf(c, { pattern: z.string() })
      c.set('target', pattern)
      const parsed = patternOf(pattern, parse)
      if (!(await pins.remove(parsed))) refuse(404, 'no such pin, or the configuration sets it')
      return c.json({ pattern: parsed.text })
    })
}
