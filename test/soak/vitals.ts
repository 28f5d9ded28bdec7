import { readdir, readFile } from 'node:fs/promises'

export interface Vitals {
  /** MiB. */
  readonly memory: number
  readonly descriptors: number
}

export interface Watch extends Disposable {
  readonly first: Vitals
  readonly highest: Vitals
}

const EVERY = 1_000

/** proc(5). @throws when the process is gone. */
export async function vitalsOf(pid: number): Promise<Vitals> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const memory = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
  return { memory, descriptors: (await readdir(`/proc/${pid}/fd`)).length }
}

/** Looks every second, until it is disposed or the process is gone. */
export async function watch(pid: number): Promise<Watch> {
  const first = await vitalsOf(pid)
  let highest = first
  const look = async () => {
    const now = await vitalsOf(pid).catch(() => undefined)
    if (now === undefined) return clearInterval(timer)
    highest = {
      memory: Math.max(highest.memory, now.memory),
      descriptors: Math.max(highest.descriptors, now.descriptors),
    }
  }
  const timer = setInterval(look, EVERY)
  return {
    first,
    get highest() {
      return highest
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
