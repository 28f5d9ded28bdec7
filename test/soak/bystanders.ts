import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'
import { ask } from './client.ts'

export interface BystanderOptions {
  /** Of the proxy. */
  readonly url: string
  /** As clients name it, and where it is upstream. */
  readonly repository: string
  readonly upstream: FakeUpstream
  /** The address of this machine that it has. */
  readonly from: string
  /** Differs for each, so that no two pull the same blobs. */
  readonly seed: number
  /** Whether its upstream cannot be reached now, or could not until lately. */
  readonly isExcused: () => boolean
  readonly violated: (what: string) => void
}

export interface Bystander {
  readonly counts: {
    readonly pulled: number
    readonly retried: number
    readonly excused: number
    readonly slowest: number
  }
  /** Pulls one cold blob after another until `end` (monotonic milliseconds). */
  runUntil(end: number): Promise<void>
}

const KiB = 1024
/** As often as Docker tries, which waits longer each time too: a limit of upstream may last some seconds. */
const TRIES = 5

/**
 * A client of a repository that is well all the time. Whatever becomes of others, it gets every cold blob whole,
 * at the latest when it tries again as real clients do.
 */
export function bystander(options: BystanderOptions): Bystander {
  const { url, repository, upstream, from, seed, isExcused, violated } = options
  const counts = { pulled: 0, retried: 0, excused: 0, slowest: 0 }

  return {
    counts,
    async runUntil(end) {
      for (let turn = 0; performance.now() < end; turn++) {
        const { bytes, digest } = blobOf((20 + (turn % 10) * 30) * KiB, seed + turn)
        upstream.addBlob(bytes)
        await pull(bytes, digest)
        upstream.content.blobs.delete(digest)
        await sleep(300)
      }
    },
  }

  async function pull(bytes: Buffer, digest: string): Promise<void> {
    const begun = performance.now()
    const outcomes: string[] = []
    let wasExcused = isExcused()
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const { status, body, end } = await ask(`${url}/v2/${repository}/blobs/${digest}`, { from })
      wasExcused ||= isExcused()
      if (status === 200 && end === 'complete') {
        if (!body.equals(bytes)) violated(`wrong bytes for the bystander of ${repository}`)
        counts.pulled += 1
        counts.slowest = Math.max(counts.slowest, performance.now() - begun)
        return
      }
      outcomes.push(`${status} ${end}${status >= 400 ? ` ${body.toString('utf8', 0, 300)}` : ''}`)
      counts.retried += 1
      await sleep(1000 * attempt)
    }
    if (wasExcused) counts.excused += 1
    else violated(`the bystander of ${repository} did not get ${digest}: ${outcomes.join('; ')}`)
  }
}
