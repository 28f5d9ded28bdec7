import { readdir, readFile } from 'node:fs/promises'

export interface Vitals {
  /** MiB. */
  readonly memory: number
  readonly descriptors: number
}

export interface Watch extends Disposable {
  readonly first: Vitals
  readonly highest: Vitals
  /**
   * Of each whole minute so far: the mean memory, and the fewest descriptors, for what is busy at the moment
   * has more of them, and a leak has more at all times.
   */
  readonly minutes: readonly Vitals[]
}

const EVERY = 1_000
const MINUTE = 60

/** proc(5). @throws when the process is gone, or about to be. */
export async function vitalsOf(pid: number): Promise<Vitals> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const [, kibibytes] = /VmRSS:\s+(\d+)/.exec(status) ?? []
  if (kibibytes === undefined) throw new Error(`process ${pid} has no memory any more`)
  const memory = Math.round(Number(kibibytes) / 1024)
  return { memory, descriptors: (await readdir(`/proc/${pid}/fd`)).length }
}

/** Looks every second, until it is disposed or the process is gone. */
export async function watch(pid: number): Promise<Watch> {
  const first = await vitalsOf(pid)
  let highest = first
  let minute: Vitals[] = []
  const minutes: Vitals[] = []
  const look = async () => {
    const now = await vitalsOf(pid).catch(() => undefined)
    if (now === undefined) return clearInterval(timer)
    highest = combined([highest, now], (values) => Math.max(...values))
    minute.push(now)
    if (minute.length < MINUTE) return
    const { memory } = combined(minute, mean)
    const { descriptors } = combined(minute, (values) => Math.min(...values))
    minutes.push({ memory, descriptors })
    minute = []
  }
  const timer = setInterval(look, EVERY)
  return {
    first,
    minutes,
    get highest() {
      return highest
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

function combined(all: readonly Vitals[], combine: (values: readonly number[]) => number): Vitals {
  return {
    memory: combine(all.map(({ memory }) => memory)),
    descriptors: combine(all.map(({ descriptors }) => descriptors)),
  }
}

function mean(values: readonly number[]): number {
  return Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
}
