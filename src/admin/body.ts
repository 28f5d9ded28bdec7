import type { Context } from 'hono'
import { z } from 'zod'
import { IMAGE_PATTERN_MUST, type ImagePattern } from '../oci/image-pattern.ts'
import { refuse } from './refuse.ts'

export type ParsePattern = (text: string) => ImagePattern | undefined

/** Reads a JSON object with exactly these keys. @throws HTTPException 400 that names what is wrong */
export async function bodyOf<T extends z.ZodRawShape>(
  c: Context,
  shape: T,
): Promise<z.output<z.ZodObject<T, z.core.$strict>>> {
  const result = z.strictObject(shape).safeParse(await jsonOf(c))
  if (result.success) return result.data
  const { path, message } = result.error.issues[0]!
  refuse(400, path.length === 0 ? message : `${path.join('.')}: ${message}`)
}

/** @throws HTTPException 400 */
export function patternOf(text: string, parse: ParsePattern): ImagePattern {
  return parse(text) ?? refuse(400, `pattern ${IMAGE_PATTERN_MUST}`)
}

async function jsonOf(c: Context): Promise<unknown> {
  try {
    return await c.req.json()
  } catch (error) {
    if (error instanceof SyntaxError) refuse(400, 'request body must be JSON')
    throw error
  }
}
