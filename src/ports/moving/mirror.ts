/** Rules by which images are fetched ahead. The types are those of the admin API: instants are ISO 8601. */
import type { RunningJob } from './jobs.ts'
import type { WarmedImage, WarmProgress } from './warm.ts'

export interface MirrorReport {
  readonly rule: string
  readonly startedAt: string
  readonly endedAt: string
  /** `window`: its time was over. `later`: a rate limit was. The next run goes on in both cases. */
  readonly ended: 'done' | 'window' | 'later'
  /** Tags that the rule means. */
  readonly wanted: number
  /** Of those, what became of them; the rest was not tried. */
  readonly done: number
  readonly incomplete: number
  readonly failed: number
  readonly later: number
  /** Bytes. */
  readonly fetched: number
  /** What is missing, and why; at most 1,000. */
  readonly problems: readonly { readonly image: string; readonly why: string }[]
}

export interface MirrorRuleView {
  /** `mirror[0]: docker.io/library/node` */
  readonly rule: string
  readonly schedule: string
  readonly isRunning: boolean
  /** Of the last run of this process. */
  readonly last: MirrorReport | null
  /** Why the last run failed as a whole. */
  readonly failure: string | null
}

export type MirrorStep = WarmProgress | WarmedImage

export interface Mirror {
  rules(): readonly MirrorRuleView[]
  /** Runs all rules now, one after the other. @throws Error when there is none, or one runs already */
  run(job: RunningJob, put: (key: string, step: MirrorStep) => void): Promise<readonly MirrorReport[]>
}
