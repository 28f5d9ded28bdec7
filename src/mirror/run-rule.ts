import type { ImagePattern } from '../oci/image-pattern.ts'
import type { RunningJob } from '../ports/moving/jobs.ts'
import type { MirrorReport, MirrorStep } from '../ports/moving/mirror.ts'
import type { Warm, WarmedImage } from '../ports/moving/warm.ts'
import { countText, sizeText } from '../util/human.ts'
import { limiter } from '../util/async/limiter.ts'
import { pacer } from '../util/pacer.ts'
import type { TagSelection } from './select-tags.ts'
import type { createWantedTags } from './wanted-tags.ts'

export interface MirrorRule {
  /** In the list of jobs, and in the log. */
  readonly name: string
  readonly images: readonly ImagePattern[]
  readonly tags: TagSelection
  readonly platforms: readonly string[] | undefined
  readonly referrers: boolean
  /** Milliseconds that a run may take. */
  readonly window: number | undefined
  /** Bytes per second. */
  readonly rate: number | undefined
}

export interface RunRuleOptions {
  readonly warm: Warm
  readonly wantedTags: ReturnType<typeof createWantedTags>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Images at a time. */
const AT_ONCE = 2
const MOST_PROBLEMS = 1_000

/**
 * Fetches what a rule means and the store does not have. It goes on after failures. When its time or the rate
 * limit is over it ends, and the next run goes on: what was never fetched comes first.
 *
 * @throws the reason of the job's signal
 */
export async function runRule(
  rule: MirrorRule,
  { warm, wantedTags, now }: RunRuleOptions,
  { signal: cancelled, say }: Pick<RunningJob, 'signal' | 'say'>,
  put: (key: string, step: MirrorStep) => void,
): Promise<MirrorReport> {
  const startedAt = new Date(now()).toISOString()
  const over = rule.window === undefined ? undefined : AbortSignal.timeout(rule.window)
  const signal = over === undefined ? cancelled : AbortSignal.any([cancelled, over])
  const counts: Record<WarmedImage['state'], number> = { done: 0, incomplete: 0, failed: 0, later: 0 }
  const problems: { image: string; why: string }[] = []
  const problem = (image: string, why: string) =>
    void (problems.length < MOST_PROBLEMS && problems.push({ image, why }))
  const pace = rule.rate === undefined ? undefined : pacer(rule.rate, () => performance.now())
  let wanted = 0
  let fetched = 0
  let isLater = false
  try {
    const found = await wantedTags(rule.images, rule.tags, signal)
    wanted = found.images.length
    isLater = found.isLater
    for (const { image, why } of found.problems) problem(image, why)
    const turn = limiter(AT_ONCE)
    await Promise.all(found.images.map((image) => turn(() => fetchOne(image))))
  } catch (error) {
    cancelled.throwIfAborted()
    if (over?.aborted !== true) throw error
  }
  const ended = over?.aborted === true ? 'window' : isLater || counts.later > 0 ? 'later' : 'done'
  return {
    rule: rule.name,
    startedAt,
    endedAt: new Date(now()).toISOString(),
    ended,
    wanted,
    ...counts,
    fetched,
    problems,
  }

  async function fetchOne(image: string): Promise<void> {
    signal.throwIfAborted()
    const { platforms, referrers } = rule
    const progress = (step: MirrorStep) => put(image, step)
    const result = await warm({ image, platforms }, { signal, referrers, progress, pace })
    put(image, result)
    counts[result.state] += 1
    fetched += result.fetched
    if (result.missing.length === 0 && result.said !== '') problem(image, result.said)
    for (const { what, platform, digest, why } of result.missing)
      problem(image, `${[what, platform, digest].filter(Boolean).join(' ')}: ${why}`)
    const tried = Object.values(counts).reduce((sum, count) => sum + count, 0)
    say(`${tried} of ${countText(wanted, 'tag')}, ${sizeText(fetched)} fetched`)
  }
}
