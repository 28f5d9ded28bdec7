/**
 * Work that takes its time and that an operator sees, follows and cancels: warm, mirror, push, export, import.
 * Instants are ISO 8601.
 */

export type JobKind = 'warm' | 'refresh' | 'mirror' | 'push' | 'replicate' | 'export' | 'import'

export interface JobView {
  readonly id: string
  readonly kind: JobKind
  /** What it works on: patterns, a destination, the name of a rule. */
  readonly target: string
  readonly state: 'running' | 'done' | 'failed' | 'cancelled'
  readonly startedAt: string
  readonly endedAt: string | null
  /** How far it is, or how it ended: one clause. */
  readonly said: string
}

export interface RunningJob {
  readonly id: string
  /** Aborts when the job is cancelled, its client leaves, or the process stops. */
  readonly signal: AbortSignal
  /** Tells how far it is. */
  say(said: string): void
}

export interface Jobs {
  /**
   * Runs `task` as a job.
   *
   * @param signal of who wants it; the job is cancelled with it
   * @throws what `task` throws; Error when too many jobs run
   */
  run<T>(
    job: { readonly kind: JobKind; readonly target: string; readonly signal?: AbortSignal | undefined },
    task: (job: RunningJob) => Promise<T>,
  ): Promise<T>
  /** Those that run and the last that have ended, the newest first. */
  list(): readonly JobView[]
  /** @returns false when no such job runs */
  cancel(id: string): boolean
}
