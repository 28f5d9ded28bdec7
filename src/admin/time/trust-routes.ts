import { Hono } from 'hono'
import { z } from 'zod'
import { imageText } from '../../oci/image-pattern.ts'
import type { Trust, TrustedDigest } from '../../ports/time.ts'
import { bodyOf } from '../body.ts'
import { type AdminEnv, refuse } from '../refuse.ts'

const MUST = 'image must name a digest of a configured upstream, such as node@sha256:…'

export interface TrustedJson {
  readonly image: string
  readonly since: string
}

/**
 * The exceptions from cool-downs: `GET trust`, `POST trust {image}` (201 when it is new), `DELETE trust
 * {image}` (404 when it is not trusted).
 */
export function trustRoutes(trust: Trust): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/trust', async (c) => c.json({ trusted: (await trust.list()).map(trustedToJson) }))
    .post('/trust', async (c) => {
      const { image: written } = await bodyOf(c, { image: z.string() })
      c.set('target', written)
      const { image, result } = (await trust.add(written)) ?? refuse(400, MUST)
      if (result === 'full') refuse(409, 'too many digests are trusted, remove some that have settled')
      return c.json({ image }, result === 'added' ? 201 : 200)
    })
    .delete('/trust', async (c) => {
      const { image: written } = await bodyOf(c, { image: z.string() })
      c.set('target', written)
      return c.json((await trust.remove(written)) ?? refuse(404, 'no such digest is trusted'))
    })
}

function trustedToJson({ addedAt, ...image }: TrustedDigest): TrustedJson {
  return { image: imageText(image), since: new Date(addedAt).toISOString() }
}
