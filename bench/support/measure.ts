import { run, succeed } from '../../test/e2e/support/processes.ts'

export interface Pulled {
  /** Seconds from the start to the first byte of the body, and to its end. */
  readonly first: number
  readonly total: number
}

/** Pulls by curl, which costs little; to a file, or nowhere. @throws when a byte is missing. */
export async function pull(url: string, to = '/dev/null'): Promise<Pulled> {
  const format = '%{time_starttransfer} %{time_total} %{http_code}'
  const [first = '', total = '', code] = (await succeed('curl', ['-sSf', '-o', to, '-w', format, url])).split(
    ' ',
  )
  if (code !== '200') throw new Error(`${url}: ${code}`)
  return { first: Number(first), total: Number(total) }
}

/** Seconds that all of them took together. */
export async function pullMany(count: number, url: string): Promise<number> {
  const begun = performance.now()
  await Promise.all(Array.from({ length: count }, () => pull(url)))
  return (performance.now() - begun) / 1000
}

/** Requests per second over `seconds` and `connections`, by wrk. */
export async function rate(url: string, connections: number, seconds: number): Promise<number> {
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, url])
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * Has the machine hand out this much memory once, for the page cache to use after: memory that a guest had given back to its host
 * costs seconds of CPU to get again, which is no figure of ours.
 */
export async function touchMemory(gibibytes: number): Promise<void> {
  const script = `for (let i = 0; i < ${gibibytes * 4}; i++) globalThis['b' + i] = Buffer.alloc(256 << 20, 1)`
  await run(process.execPath, ['-e', script])
}
