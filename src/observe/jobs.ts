import type { Jobs, JobView, RunningJob } from '../ports/moving/jobs.ts'
import type { Log } from './event-lines.ts'

export interface JobsOptions {
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Jobs at a time. Each holds buffers and connections. */
const MOST = 16
/** Ended jobs that are remembered, of less than 1 KiB each. */
const REMEMBERED = 100
/** Characters of what a job is about, and of what it says. */
const LONGEST = 300

/** The jobs of this process. Disposing cancels them, and waits until they have ended. */
export function jobs({ log, now }: JobsOptions): Jobs & AsyncDisposable {
  const running = new Map<
    string,
    { view: JobView; readonly stop: AbortController; ended: Promise<unknown> }
  >()
  const ended: JobView[] = []
  const at = () => new Date(now()).toISOString()
  let last = 0

  return {
    async run({ kind, target, signal }, task) {
      if (running.size >= MOST) throw new Error(`${MOST} jobs are running already: wait, or cancel one`)
      last += 1
      const id = `${kind}-${last}`
      const stop = new AbortController()
      const entry = {
        view: {
          id,
          kind,
          target: target.slice(0, LONGEST),
          state: 'running',
          startedAt: at(),
          endedAt: null,
          said: 'started',
        } as JobView,
        stop,
        ended: Promise.resolve() as Promise<unknown>,
      }
      const say = (said: string) => void (entry.view = { ...entry.view, said: said.slice(0, LONGEST) })
      const job: RunningJob = {
        id,
        signal: signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]),
        say,
      }
      const result = Promise.try(() => task(job))
      entry.ended = result.then(
        () => end('done'),
        (error: unknown) => {
          say(error instanceof Error ? error.message : String(error))
          end(job.signal.aborted ? 'cancelled' : 'failed')
        },
      )
      running.set(id, entry)
      return await result

      function end(state: JobView['state']): void {
        running.delete(id)
        const view = { ...entry.view, state, endedAt: at() }
        ended.push(view)
        if (ended.length > REMEMBERED) ended.shift()
        log[state === 'failed' ? 'warn' : 'info'](
          { job: id, target: view.target, result: state, said: view.said },
          'job ended',
        )
      }
    },
    list: () => [...[...running.values()].map(({ view }) => view).toReversed(), ...ended.toReversed()],
    cancel(id) {
      const job = running.get(id)
      job?.stop.abort(new Error('cancelled'))
      return job !== undefined
    },
    async [Symbol.asyncDispose]() {
      const all = [...running.values()]
      for (const { stop } of all) stop.abort(new Error('the process stops'))
      await Promise.all(all.map((job) => job.ended))
    },
  }
}
