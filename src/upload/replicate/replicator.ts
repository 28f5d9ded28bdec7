import { setTimeout as delay } from 'node:timers/promises'
import type { Digest } from '../../oci/digest.ts'
import { type ImageName, type ImagePattern, imagePattern } from '../../oci/image-pattern.ts'
import type { SharedJobs } from '../../ports/cluster.ts'
import type { Jobs, RunningJob } from '../../ports/moving/jobs.ts'
import type { Push, PushedImage, PushRequest } from '../../ports/moving/push.ts'
import { ALONE } from '../../util/async/alone.ts'
import type { Schedule, Scheduled } from '../../util/async/by-the-clock.ts'
import { mutex } from '../../util/async/mutex.ts'
import { WaitingImages } from './waiting-images.ts'

/** Pushes what a rule names. */
export interface ReplicationRule {
  /** In the list of jobs, and in the log. */
  readonly name: string
  readonly images: readonly ImagePattern[]
  /** A cron expression; undefined: soon after an image was stored. */
  readonly schedule: string | undefined
  /** Asked for each push: passwords change. @throws Error that says why there is none */
  readonly request: () => Promise<Omit<PushRequest, 'images' | 'dryRun'>>
}

export interface ReplicatorOptions {
  readonly schedule: Schedule
  readonly push: Push
  readonly jobs: Pick<Jobs, 'run'>
  /** Omitted: there are no other replicas. */
  readonly shared?: SharedJobs
  /** A push has failed as a whole, or an image was given up. */
  readonly failed: (rule: string, problem: unknown) => void
  /** Epoch milliseconds: what cool-downs go by. */
  readonly now: () => number
  /** Milliseconds. An image is stored part by part, and others with it. */
  readonly settle?: number
  /** Milliseconds before what has failed is tried again. It doubles from time to time, up to an hour. */
  readonly retryDelay?: number
}

/** Stands for everything that the rule names: no image has this name. */
const ALL = ''
/** Images that wait, of less than 1 KiB each. */
const MOST = 10_000
/** Milliseconds: what is due so soon after goes with it. */
const SOON = 50
/** Images of one push. */
const TOGETHER = 100
/** How often an image may fail. Its next change, or the next start, begins anew. */
const TRIES = 8
const LONGEST_DELAY = 3_600_000

/**
 * Keeps a destination up to date: when images are stored, or by the clock. A rule for stored images begins
 * with all of them, for what was stored while no process ran. Of a tag that a cool-down holds back it pushes
 * what is served, and once more when the cool-down ends.
 */
export class Replicator implements AsyncDisposable {
  readonly #rule: ReplicationRule
  readonly #options: Required<ReplicatorOptions>
  readonly #stop = new AbortController()
  readonly #waiting = new WaitingImages(MOST, ALL)
  /** Until their cool-downs end, by the wall clock: no event tells of that. */
  readonly #held = new WaitingImages(MOST, ALL)
  readonly #scheduled: Scheduled | undefined
  readonly #inTurn = mutex()
  #running: Promise<void> | undefined

  constructor(rule: ReplicationRule, options: ReplicatorOptions) {
    this.#rule = rule
    this.#options = { settle: 2_000, retryDelay: 30_000, shared: ALONE, ...options }
    if (rule.schedule === undefined) this.#add(ALL)
    else this.#scheduled = options.schedule(rule.schedule, (due) => this.#pushByClock(due))
  }

  /** An image was stored, or its tag moved. `image`: as events name it. */
  stored(image: string, digest: string): void {
    if (this.#rule.schedule !== undefined) return
    const name = imageNameIn(image, digest as Digest)
    if (name !== undefined && this.#rule.images.some((pattern) => pattern.matches(name))) this.#add(image)
  }

  /** What is held back may be served by now: a digest is trusted, or other rules hold. */
  released(): void {
    this.#takeReleased(Infinity)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the process stops'))
    await this.#scheduled?.[Symbol.asyncDispose]()
    await this.#running
    await this.#inTurn(async () => {})
  }

  #add(image: string, failures = 0): void {
    const { settle, retryDelay } = this.#options
    const wait = failures === 0 ? settle : Math.min(LONGEST_DELAY, retryDelay * 2 ** (failures - 1))
    this.#waiting.add(image, { failures, dueAt: performance.now() + wait })
    this.#start()
  }

  #takeReleased(now: number): void {
    for (const image of this.#held.take(now, Infinity).keys()) this.#add(image)
  }

  /** Milliseconds until something is due; undefined when nothing waits. */
  get #nextIn(): number | undefined {
    const [due, released] = [this.#waiting.nextAt, this.#held.nextAt]
    if (due === undefined && released === undefined) return undefined
    return Math.min((due ?? Infinity) - performance.now(), (released ?? Infinity) - this.#options.now())
  }

  /** One push at a time. */
  #start(): void {
    if (this.#stop.signal.aborted) return
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
      if (this.#nextIn !== undefined) this.#start()
    })
  }

  async #work(): Promise<void> {
    const { settle, now } = this.#options
    const { signal } = this.#stop
    for (let next; (next = this.#nextIn) !== undefined;) {
      // What is stored meanwhile may be due sooner.
      const wait = Math.max(0, Math.min(next, settle))
      await delay(wait, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return
      this.#takeReleased(now())
      const taken = this.#waiting.take(performance.now() + SOON, TOGETHER)
      if (taken.size > 0) await this.#inTurn(() => this.#pushAll(taken))
    }
  }

  async #pushByClock(due: number): Promise<void> {
    const push = () => this.#inTurn(() => this.#pushAll(new Map([[ALL, 0]])))
    await this.#options.shared
      .once(this.#rule.name, due, push, this.#stop.signal)
      .catch((error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    if (!this.#stop.signal.aborted) this.#options.failed(this.#rule.name, error)
  }

  async #pushAll(taken: ReadonlyMap<string, number>): Promise<void> {
    const images = taken.has(ALL) ? this.#rule.images : [...taken.keys()].map(imagePattern)
    try {
      for (const { image, reason } of await this.#push(images)) {
        this.#again(image, taken.get(image) ?? 0, reason ?? 'not tried')
      }
    } catch (error) {
      this.#failed(error)
      if (this.#stop.signal.aborted) return
      // The clock tries again by itself.
      if (this.#rule.schedule !== undefined) return
      for (const [image, failures] of taken) this.#again(image, failures, error)
    }
  }

  /** @returns the images that were not pushed */
  async #push(images: readonly ImagePattern[]): Promise<readonly PushedImage[]> {
    const { push, jobs, shared } = this.#options
    const { name, request } = this.#rule
    const failed: PushedImage[] = []
    const { signal } = this.#stop
    const run = async (job: RunningJob): Promise<void> => {
      const report = await push(
        { ...(await request()), images, dryRun: false },
        {
          signal: job.signal,
          put: (_, step) => {
            if (step.step !== 'images') return
            failed.push(...step.images.filter(isFailure))
            for (const image of step.images) this.#keepHeld(image)
          },
        },
      )
      const { pushed, unchanged, notTried } = report
      const said = `${pushed} pushed, ${unchanged} unchanged, ${report.failed + notTried} failed`
      job.say(`${report.images} images: ${said}`)
    }
    // What another replica has pushed meanwhile is found there.
    await shared.inTurn(name, () => jobs.run({ kind: 'replicate', target: name, signal }, run), signal)
    return failed
  }

  #keepHeld({ image, heldUntil }: PushedImage): void {
    // The clock comes by anyway.
    if (heldUntil === undefined || this.#rule.schedule !== undefined) return
    this.#held.add(image, { failures: 0, dueAt: Date.parse(heldUntil) })
  }

  #again(image: string, failures: number, problem: unknown): void {
    if (image === ALL || failures + 1 < TRIES) this.#add(image, failures + 1)
    else this.#options.failed(this.#rule.name, `${image} is given up: ${String(problem)}`)
  }
}

/** `docker.io/library/node:20`, or with a digest instead of a tag. */
function imageNameIn(image: string, digest: Digest): ImageName | undefined {
  const [, upstream, name, tag] = /^([^/]+)\/([^:@]+)(?::([^@]+))?(?:@.+)?$/.exec(image) ?? []
  if (upstream === undefined || name === undefined) return undefined
  return { repository: { upstream, name }, ...(tag !== undefined && { tag }), digest }
}

function isFailure({ state }: PushedImage): boolean {
  return state === 'failed' || state === 'not tried'
}
