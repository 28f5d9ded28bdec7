import { Hono } from 'hono'
import { z } from 'zod'
import { isPlatformPattern, PLATFORM_MUST } from '../oci/platform.ts'
import type { Jobs } from '../ports/moving/jobs.ts'
import type { Refresh, Warm, WarmedImage } from '../ports/moving/warm.ts'
import { countText, sizeText } from '../util/human.ts'
import { limiter } from '../util/async/limiter.ts'
import { bodyOf } from './body.ts'
import { jobAnswer } from './job-routes.ts'
import { type AdminEnv, refuse } from './refuse.ts'

export interface WarmRoutesOptions {
  readonly warm: Warm
  readonly refresh: Refresh
  readonly jobs: Pick<Jobs, 'run'>
  readonly failed: (error: unknown) => void
}

/** What became of all images. */
export interface WarmSummary extends Readonly<Record<WarmedImage['state'], number>> {
  readonly bytes: number
  readonly fetched: number
}

/** Images of one request. */
const MOST_IMAGES = 10_000
/** Images at a time; each has some blobs on the way. */
const AT_ONCE = 3

const platform = z.string().refine(isPlatformPattern, { message: PLATFORM_MUST })
const wanted = z.strictObject({
  image: z.string().max(512),
  platforms: z.array(platform).min(1).max(100).optional(),
})

/**
 * `POST warm {images: [{image, platforms}], referrers}`: progress as JSON lines, `WarmProgress` and
 * `WarmedImage`, at last a `WarmSummary`. `POST refresh {image}`: a `RefreshedTag`.
 */
export function warmRoutes({ warm, refresh, jobs, failed }: WarmRoutesOptions): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .post('/warm', async (c) => {
      const { images, referrers } = await bodyOf(c, {
        images: z.array(wanted).min(1).max(MOST_IMAGES),
        referrers: z.boolean().default(false),
      })
      const target = images.length === 1 ? images[0]!.image : `${images.length} images`
      return jobAnswer(c, { jobs, kind: 'warm', target, failed }, async ({ signal, say }, put) => {
        const sum = { done: 0, incomplete: 0, failed: 0, later: 0, bytes: 0, fetched: 0 }
        const turn = limiter(AT_ONCE)
        let ended = 0
        await Promise.all(
          images.map((one, i) =>
            turn(async () => {
              signal.throwIfAborted()
              const progress = (line: object) => put(`${i}`, line)
              const result = await warm(one, { signal, referrers, progress })
              put(`${i}`, result)
              sum[result.state] += 1
              sum.bytes += result.bytes
              sum.fetched += result.fetched
              ended += 1
              const short = sum.incomplete + sum.failed + sum.later
              const lacking = short === 0 ? '' : `, ${short} not whole`
              say(
                `${ended} of ${countText(images.length, 'image')}${lacking}, ${sizeText(sum.fetched)} fetched`,
              )
            }),
          ),
        )
        return sum satisfies WarmSummary
      })
    })
    .post('/refresh', async (c) => {
      const { image } = await bodyOf(c, { image: z.string().max(512) })
      c.set('target', image)
      const result = await refresh(image).catch((error: unknown) => {
        if (error instanceof Error && error.constructor === Error) refuse(409, error.message)
        throw error
      })
      return c.json(result)
    })
}
