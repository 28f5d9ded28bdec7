import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import { MirrorSchedule, type MirrorScheduleOptions, type ScheduledRule } from '../mirror/mirror-schedule.ts'
import { parseImagePattern } from '../oci/image-pattern.ts'
import type { Mirror, MirrorReport } from '../ports/moving/mirror.ts'
import { cron } from './cron.ts'
import { type UpstreamNames, upstreamNames } from '../oci/upstream-names.ts'

export interface Mirroring extends Mirror, AsyncDisposable {
  /** Keeps to other rules. Those that are the same go on. */
  configure(config: MirrorConfig): void
}

type MirrorConfig = Pick<Config, 'mirror' | 'upstreams'>
type MirroringOptions = Omit<MirrorScheduleOptions, 'schedule' | 'ended' | 'failed'> & {
  readonly log: Logger
}

/** Runs the configured rules. */
export function buildMirroring(initial: MirrorConfig, { log, ...options }: MirroringOptions): Mirroring {
  const ended = ({ problems, startedAt: _from, endedAt: _to, ...report }: MirrorReport) =>
    log[problems.length === 0 ? 'info' : 'warn']({ ...report, problems: problems.slice(0, 10) }, 'mirrored')
  const failed = (rule: string, err: unknown) => log.warn({ rule, err }, 'mirroring fails')
  let running: readonly MirrorSchedule[] = []
  const ending = new Set<Promise<void>>()

  const configure = ({ mirror, upstreams }: MirrorConfig): void => {
    const before = [...running]
    running = mirror.map((written, i) => {
      const rule = ruleOf(written, i, upstreamNames(Object.values(upstreams)))
      const known = before.findIndex((one) => isSame(one.rule, rule))
      const [kept] = known < 0 ? [] : before.splice(known, 1)
      return kept ?? new MirrorSchedule(rule, { ...options, schedule: cron, ended, failed })
    })
    for (const one of before) {
      const end = one[Symbol.asyncDispose]().finally(() => ending.delete(end))
      ending.add(end)
    }
  }
  configure(initial)

  return {
    configure,
    rules: () => running.map(({ view }) => view),
    async run(job, put) {
      if (running.length === 0) throw new Error('no rule is configured: add one to mirror')
      const reports: MirrorReport[] = []
      for (const one of running) reports.push(await one.run(job, put))
      return reports
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...running.map((one) => one[Symbol.asyncDispose]()), ...ending])
    },
  }
}

function ruleOf(
  { images, tags, platforms, referrers, schedule, window, rate }: Config['mirror'][number],
  i: number,
  upstreams: UpstreamNames,
): ScheduledRule {
  const patterns = images.map((text) => parseImagePattern(text, upstreams)!)
  const name = `mirror[${i}]: ${patterns.map(({ text }) => text).join(' ')}`
  return { name, images: patterns, tags, platforms, referrers, schedule, window, rate }
}

/** Patterns are compared by their text, for they are functions. */
function isSame(
  { images: one, ...rest }: ScheduledRule,
  { images: other, ...others }: ScheduledRule,
): boolean {
  return isDeepStrictEqual(texts(one), texts(other)) && isDeepStrictEqual(rest, others)
}

function texts(patterns: ScheduledRule['images']): readonly string[] {
  return patterns.map(({ text }) => text)
}
