import { type Credentials, sameCredentials } from './credentials.ts'

export interface RememberedOptions {
  readonly ask: () => Promise<Credentials | undefined>
  /** Told of every failure while the last good ones are still used. */
  readonly failed: (problem: unknown) => void
  /** Milliseconds that never go back. */
  readonly now: () => number
}

/** Helpers do not say how long what they give is good: they are asked anew after this. Milliseconds. */
const REFRESH_AFTER = 5 * 60_000
/** How soon one is asked again that failed, or whose answer was refused. Denials are not to start a program each. */
const AGAIN_AFTER = 5_000

/**
 * Credentials that are costly to get: one question is on its way however many wait. Old ones are used while new ones are asked
 * for, and kept while that fails; nobody waits for a helper that hangs, unless upstream has refused what it gave last.
 *
 * @returns a function that answers undefined where `ask` does.
 */
export function rememberedCredentials(
  options: RememberedOptions,
): (refused?: Credentials) => Promise<Credentials | undefined> {
  const { ask, failed, now } = options
  let good: Credentials | undefined
  let askedAt = -Infinity
  let problem: unknown
  let running: Promise<void> | undefined

  const refresh = (): Promise<void> => (running ??= renew().finally(() => (running = undefined)))

  async function renew(): Promise<void> {
    try {
      const found = await ask()
      if (!sameCredentials(found, good)) good = found
      problem = undefined
    } catch (error) {
      problem = error
      if (good !== undefined) failed(error)
    } finally {
      askedAt = now()
    }
  }

  return async (refused) => {
    const age = now() - askedAt
    if (good !== undefined && good !== refused) {
      if (age >= (problem === undefined ? REFRESH_AFTER : AGAIN_AFTER)) void refresh()
      return good
    }
    if (running !== undefined || age >= AGAIN_AFTER) await refresh()
    if (problem !== undefined) throw problem
    return good
  }
}
