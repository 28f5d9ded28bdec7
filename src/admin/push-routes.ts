import { Hono } from 'hono'
import { z } from 'zod'
import { isPlatformPattern, PLATFORM_MUST } from '../oci/platform.ts'
import { isRepositoryName } from '../oci/reference.ts'
import type { Jobs } from '../ports/moving/jobs.ts'
import type { Push, PushStep } from '../ports/moving/push.ts'
import { countText } from '../util/human.ts'
import { bodyOf, type ParsePattern, patternOf } from './body.ts'
import { jobAnswer } from './job-routes.ts'
import type { AdminEnv } from './refuse.ts'

export interface PushRoutesOptions {
  readonly push: Push
  readonly jobs: Pick<Jobs, 'run'>
  readonly parsePattern: ParsePattern
  readonly failed: (error: unknown) => void
}

const MOST_PATTERNS = 100

const origin = z.string().refine(isOrigin, { message: 'must be an http or https origin' })

/** As `ports/moving/push.ts` has it, with the patterns as they are written. */
const REQUEST = {
  images: z.array(z.string().max(512)).min(1).max(MOST_PATTERNS),
  to: z.strictObject({
    url: origin,
    path: z.string().refine((path) => path === '' || isRepositoryName(path), {
      message: 'must be empty, or begin the name of a repository',
    }),
    credentials: z
      .union([
        z.strictObject({ username: z.string(), password: z.string() }),
        z.strictObject({ identityToken: z.string() }),
      ])
      .optional(),
    tokenRealms: z.array(origin).max(10).optional(),
  }),
  platforms: z
    .array(z.string().refine(isPlatformPattern, { message: PLATFORM_MUST }))
    .max(100)
    .default([]),
  referrers: z.boolean().default(false),
  withUpstream: z.boolean().default(false),
  rate: z.number().int().positive().optional(),
  dryRun: z.boolean().default(false),
}

/**
 * `POST push`: pushes images to another registry; progress as JSON lines, each a `PushStep`, at last a
 * `PushReport`. The credentials are used for this push, and kept nowhere.
 */
export function pushRoutes({ push, jobs, parsePattern, failed }: PushRoutesOptions): Hono<AdminEnv> {
  return new Hono<AdminEnv>().post('/push', async (c) => {
    const { images: written, ...request } = await bodyOf(c, REQUEST)
    const images = written.map((text) => patternOf(text, parsePattern))
    const { url, path } = request.to
    const target = `${written.join(' ')} to ${new URL(url).host}${path === '' ? '' : `/${path}`}`
    c.set('changesNothing', request.dryRun)
    return jobAnswer(c, { jobs, kind: 'push', target, failed }, async ({ signal, say }, put) => {
      const tell = tally(say)
      const report = await push(
        { ...request, images },
        {
          signal,
          put(key, step) {
            tell(step)
            put(key, step)
          },
        },
      )
      say(
        `${countText(report.images, 'image')}: ${report.pushed} pushed, ${report.unchanged} unchanged, ${report.failed} failed`,
      )
      return report
    })
  })
}

/** Says how many images have ended. */
function tally(say: (said: string) => void): (step: PushStep) => void {
  let all = 0
  let ended = 0
  return (step) => {
    if (step.step === 'plan') all = step.images
    if (step.step !== 'images') return
    ended += step.images.filter(({ state }) => state !== 'pushing').length
    say(`${ended} of ${countText(all, 'image')}`)
  }
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text
}
