/**
 * Tasks of one client that begin in one turn of the event loop. No client opens more connections by itself,
 * and to put off a small answer costs a twentieth of it.
 */
const AT_ONCE = 16

/** What has begun of a client in this turn. */
interface Begun {
  count: number
  /** `performance.now()` */
  readonly since: number
}

/** Milliseconds that `settled` takes at most. */
const LONGEST = 500

/**
 * Begins only some tasks of a client in one turn of the event loop. Node hands over hundreds in one go when
 * they come at once, and whoever comes after them would wait for all (SEC-80). Those that wait begin in the
 * next turns, of each client one after the other.
 */
export class Turns {
  readonly #begun = new Map<string, Begun>()
  readonly #waiting = new Map<string, (() => void)[]>()
  /** What waits for all tasks of a client to have begun. */
  readonly #settled = new Map<string, { readonly promise: Promise<void>; end(): void }>()
  #waitingCount = 0
  /** Immediates of the next turn that have not run. */
  #steps = 0
  #isFirstStep = true
  #end = 0
  readonly #turn: number

  /**
   * `turn`: milliseconds of one turn for the tasks of one client that begin at once, and for all those that
   * wait.
   */
  constructor(turn = 1) {
    this.#turn = turn
  }

  /** Whether a task of `client` may begin now. It then counts as one that has begun. */
  mayBegin(client: string): boolean {
    if (this.#waitingCount > 0 && this.#waiting.has(client)) return false
    const begun = this.#begun.get(client)
    if (begun === undefined) {
      this.#begun.set(client, { count: 1, since: performance.now() })
      this.#schedule()
      return true
    }
    if (begun.count >= AT_ONCE || performance.now() - begun.since >= this.#turn) return false
    begun.count += 1
    return true
  }

  /** Begins `task` in a turn to come, after those of `client` that wait. */
  wait(client: string, task: () => void): void {
    const own = this.#waiting.get(client)
    if (own === undefined) this.#waiting.set(client, [task])
    else own.push(task)
    this.#waitingCount += 1
    this.#schedule()
  }

  /** Begins `task` now, or in a turn to come. */
  run(client: string, task: () => void): void {
    if (this.mayBegin(client)) task()
    else this.wait(client, task)
  }

  /**
   * Resolves when no task of `client` waits any more, half a second after some began to wait at the latest.
   *
   * @returns undefined when none waits
   */
  settled(client: string): Promise<void> | undefined {
    if (this.#waitingCount === 0 || !this.#waiting.has(client)) return undefined
    const settled = this.#settled.get(client) ?? settling()
    this.#settled.set(client, settled)
    return settled.promise
  }

  /**
   * Each task that waits gets an immediate of its own: what it does in microtasks counts in the time of the
   * turn only so.
   */
  #schedule(): void {
    if (this.#steps > 0) return
    this.#isFirstStep = true
    this.#steps = Math.max(1, Math.min(this.#waitingCount, AT_ONCE))
    for (let i = 0; i < this.#steps; i++) setImmediate(this.#step)
  }

  readonly #step = (): void => {
    this.#steps -= 1
    const isFirst = this.#isFirstStep
    this.#isFirstStep = false
    if (isFirst) this.#begun.clear()
    const now = this.#waitingCount > 0 ? performance.now() : 0
    if (isFirst) this.#end = now + this.#turn
    // At least one, also where this thread was interrupted meanwhile: nobody else begins the next turn.
    const task = isFirst || now < this.#end ? this.#next(now) : undefined
    if (this.#steps === 0 && (this.#waitingCount > 0 || this.#begun.size > 0)) this.#schedule()
    task?.()
  }

  #next(now: number): (() => void) | undefined {
    const [client, tasks] = this.#waiting.entries().next().value ?? []
    if (client === undefined || tasks === undefined) return undefined
    const task = tasks.shift()
    // The client goes to the end of the line.
    this.#waiting.delete(client)
    if (tasks.length > 0) {
      this.#waiting.set(client, tasks)
    } else {
      this.#settled.get(client)?.end()
      this.#settled.delete(client)
    }
    this.#waitingCount -= 1
    const begun = this.#begun.get(client)
    if (begun === undefined) this.#begun.set(client, { count: 1, since: now })
    else begun.count += 1
    return task
  }
}

/** Resolves at its end, which comes by itself after a time. */
function settling() {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, LONGEST)
  return {
    promise,
    end() {
      clearTimeout(timer)
      resolve()
    },
  }
}
