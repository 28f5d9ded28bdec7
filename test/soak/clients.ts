import { setTimeout as sleep } from 'node:timers/promises'
import type { Blob } from '../support/fixtures.ts'
import { ask, type AskOptions, type Asked } from './client.ts'
import type { Random } from '../support/seeded-random.ts'
import type { Part, World } from './world.ts'

/** While `calm` everything has to succeed. */
export type Phase = 'trouble' | 'recovery' | 'calm'

export interface ClientsOptions {
  /** Of the proxy. */
  readonly url: string
  readonly world: World
  readonly random: Random
  readonly phase: () => Phase
  readonly latestFaults: (digest: string) => readonly string[]
  readonly violated: (what: string) => void
}

export interface Clients {
  readonly counts: Readonly<Counts>
  /** Asks one thing after another, of random kinds, until `end` (monotonic milliseconds). */
  runUntil(end: number): Promise<void>
  /** Pulls a whole blob. @returns whether that succeeded */
  pull(blob: Blob): Promise<boolean>
  /** Pulls a manifest by tag. @returns whether that succeeded with an answer that is not stale */
  pullTag(tag: string): Promise<boolean>
}

export interface Counts {
  asked: number
  complete: number
  refused: number
  brokenOff: number
  left: number
  /** Begun and ended in calm. */
  inCalm: number
}

const KiB = 1024
const ACTIONS = [
  'whole',
  'whole',
  'range',
  'range',
  'in chunks',
  'leave',
  'slow',
  'head',
  'tag',
  'tag',
] as const

export function clients({ url, world, random, phase, latestFaults, violated }: ClientsOptions): Clients {
  const counts: Counts = { asked: 0, complete: 0, refused: 0, brokenOff: 0, left: 0, inCalm: 0 }

  return {
    counts,
    async runUntil(end) {
      while (performance.now() < end) {
        await act(random.pick(world.blobs))
        await sleep(30 + 170 * random.next())
      }
    },
    async pull(blob) {
      const isWell = isSuccess(await askBlob(blob))
      if (isWell) world.trust(blob)
      return isWell
    },
    async pullTag(tag) {
      const asked = await askTag(tag)
      // Upstream may be well again while its circuit is still open: that is no recovery yet.
      return isSuccess(asked) && !asked.isStale
    },
  }

  async function act(blob: Blob): Promise<void> {
    const size = blob.bytes.length
    const start = random.below(size)
    switch (random.pick(ACTIONS)) {
      case 'whole':
        return void (await askBlob(blob))
      case 'range':
        return void (await askBlob(blob, { start, end: start + 1 + random.below(size - start) }))
      case 'in chunks':
        return inChunks(blob)
      case 'leave':
        return void (await askBlob(blob, undefined, { leaveAfter: start }))
      case 'slow':
        return void (await askBlob(blob, undefined, { bytesPerSecond: 512 * KiB }))
      case 'head':
        return void (await counted('HEAD', () => ask(blobUrl(blob), { method: 'HEAD' })))
      case 'tag':
        return void (await askTag(random.pick(world.tags)))
    }
  }

  /** As containerd ≥ 2.1: open-ended ranges side by side, each dropped once its chunk is there. */
  async function inChunks(blob: Blob): Promise<void> {
    const size = blob.bytes.length
    const chunk = Math.ceil(size / 4)
    const starts = [0, chunk, 2 * chunk, 3 * chunk].filter((start) => start < size)
    await Promise.all(
      starts.map((start) =>
        askBlob(blob, { start, end: size }, { range: `bytes=${start}-`, leaveAfter: chunk }),
      ),
    )
  }

  async function askBlob(blob: Blob, part?: Part, options: AskOptions = {}): Promise<Asked> {
    const range = part && { range: `bytes=${part.start}-${part.end - 1}` }
    const wasDoubted = world.doubtsFromNow(blob)
    const asked = await counted(`GET ${JSON.stringify({ ...part, ...options })} of ${blob.digest}`, () =>
      ask(blobUrl(blob), { ...range, ...options }),
    )
    const problem = world.judgeBlob(blob, part, asked, wasDoubted())
    blame(problem && `${problem} after ${latestFaults(blob.digest).join(', ')}`)
    return asked
  }

  async function askTag(tag: string): Promise<Asked> {
    const before = world.seen(tag)
    const askedAt = phase() === 'calm' ? performance.now() : undefined
    const asked = await counted(`tag ${tag}`, () => ask(`${url}/v2/app/manifests/${tag}`))
    blame(world.judgeTag(tag, before, asked, askedAt))
    return asked
  }

  async function counted(what: string, run: () => Promise<Asked>): Promise<Asked> {
    const begunIn = phase()
    counts.asked += 1
    const asked = await run()
    if (asked.end === 'hung') blame(`no answer to ${what}`)
    else if (asked.end === 'left') counts.left += 1
    else if (asked.end === 'broken off') counts.brokenOff += 1
    else counts[asked.status < 400 ? 'complete' : 'refused'] += 1
    if (begunIn !== 'calm' || phase() !== 'calm') return asked
    counts.inCalm += 1
    if (asked.end !== 'left' && !isSuccess(asked)) blame(`${what} in calm: ${asked.status}, ${asked.end}`)
    return asked
  }

  function blame(what: string | undefined): void {
    if (what !== undefined) violated(`${phase()}: ${what}`)
  }

  function blobUrl({ digest }: Blob): string {
    return `${url}/v2/app/blobs/${digest}`
  }
}

function isSuccess({ end, status }: Asked): boolean {
  return end === 'complete' && status >= 200 && status < 300
}
