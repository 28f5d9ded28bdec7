import { setTimeout as sleep } from 'node:timers/promises'
import { isRegistryError } from '../../oci/errors.ts'
import type { SharedJobs } from '../../ports/cluster.ts'
import type { Joined } from './joined.ts'
import { type Known, tellKnown, type ToBeTold } from './tell-known.ts'

/** Tells a database that a store has joined what the store knows, one replica after another, in the background. */
export interface Refill extends AsyncDisposable {
  /** Begins, if there is something to tell. */
  begin(): void
}

export interface RefillOptions {
  readonly joined: Pick<Joined, 'untold' | 'told'>
  readonly known: Known
  readonly shared: ToBeTold
  readonly jobs: Pick<SharedJobs, 'inTurn'>
  /** It was told so many links and tags. */
  readonly told: (count: number) => void
  readonly failed: (error: unknown) => void
}

/** Milliseconds between two tags, and before it is tried again. */
const PAUSE = 10
const AGAIN = 10_000

export function refill({ joined, known, shared, jobs, told, failed }: RefillOptions): Refill {
  const closing = new AbortController()
  const { signal } = closing
  let running: Promise<void> | undefined

  return {
    begin() {
      running ??= run().finally(() => (running = undefined))
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await running
    },
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        const identity = await joined.untold()
        if (identity === undefined) return
        const pause = () => sleep(PAUSE)
        await jobs.inTurn(
          'refill',
          async () => told(await tellKnown(known, shared, { pause, signal })),
          signal,
        )
        await joined.told(identity)
        return
      } catch (error) {
        if (signal.aborted) return
        if (!isRegistryError(error, 'STORAGE')) failed(error)
        await sleep(AGAIN, undefined, { signal, ref: false }).catch(() => {})
      }
    }
  }
}
