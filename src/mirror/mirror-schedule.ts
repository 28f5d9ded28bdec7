import type { SharedJobs } from '../ports/cluster.ts'
import type { Jobs, RunningJob } from '../ports/moving/jobs.ts'
import type { MirrorReport, MirrorRuleView, MirrorStep } from '../ports/moving/mirror.ts'
import type { Schedule, Scheduled } from '../util/async/by-the-clock.ts'
import { ALONE } from '../util/async/alone.ts'
import { type MirrorRule, runRule, type RunRuleOptions } from './run-rule.ts'

export interface ScheduledRule extends MirrorRule {
  /** When, as a cron expression. */
  readonly schedule: string
}

export interface MirrorScheduleOptions extends RunRuleOptions {
  readonly schedule: Schedule
  readonly jobs: Pick<Jobs, 'run'>
  /** Omitted: there are no other replicas. */
  readonly shared?: SharedJobs | undefined
  readonly ended: (report: MirrorReport) => void
  readonly failed: (rule: string, error: unknown) => void
}

type Put = (key: string, step: MirrorStep) => void

/** One rule, run by the clock, on one of the replicas, and when it is asked for. Its runs do not overlap. */
export class MirrorSchedule implements AsyncDisposable {
  readonly rule: ScheduledRule
  readonly #options: MirrorScheduleOptions
  readonly #scheduled: Scheduled
  readonly #stop = new AbortController()
  #running: Promise<unknown> | undefined
  #last: MirrorReport | null = null
  #failure: string | null = null

  constructor(rule: ScheduledRule, options: MirrorScheduleOptions) {
    this.rule = rule
    this.#options = options
    this.#scheduled = options.schedule(rule.schedule, (due) => this.#runByClock(due))
  }

  get view(): MirrorRuleView {
    const { name, schedule: when } = this.rule
    const isRunning = this.#running !== undefined
    return { rule: name, schedule: when, isRunning, last: this.#last, failure: this.#failure }
  }

  /** @throws Error when it runs already */
  async run(job: RunningJob, put: Put): Promise<MirrorReport> {
    if (this.#running !== undefined) throw new Error(`${this.rule.name} runs already`)
    const signal = AbortSignal.any([job.signal, this.#stop.signal])
    const running = runRule(this.rule, this.#options, { ...job, signal }, put)
    this.#running = running
    try {
      this.#last = await running
      this.#failure = null
      this.#options.ended(this.#last)
      return this.#last
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error)
      throw error
    } finally {
      this.#running = undefined
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the rule has changed, or the process stops'))
    await this.#scheduled[Symbol.asyncDispose]()
    await this.#running?.catch(() => {})
  }

  async #runByClock(due: number): Promise<void> {
    const { jobs, failed, shared = ALONE } = this.#options
    const { name } = this.rule
    const run = async (): Promise<void> => {
      await jobs.run({ kind: 'mirror', target: name }, (job) => this.run(job, () => {}))
    }
    try {
      await shared.once(name, due, run, this.#stop.signal)
    } catch (error) {
      if (!this.#stop.signal.aborted) failed(this.rule.name, error)
    }
  }
}
