/** Lists the reasons why no requests should be sent here; empty = ready. */
export type Readiness = () => Promise<readonly string[]>

export interface ReadinessOptions {
  readonly isDraining: () => boolean
  /** Writes a file to the store and removes it. */
  readonly probeStore: () => Promise<void>
  /** Milliseconds after which a store that does not answer counts as broken. */
  readonly probeTimeout?: number
}

export function readiness({ isDraining, probeStore, probeTimeout = 2000 }: ReadinessOptions): Readiness {
  return async function ready() {
    const reasons: string[] = []
    if (isDraining()) reasons.push('draining')
    const failure = await failureOf(probeStore, probeTimeout)
    if (failure !== undefined) reasons.push(`the store is not writable: ${failure}`)
    return reasons
  }
}

/** Returns a code such as ENOSPC where there is one, for the message would reveal paths. */
async function failureOf(probe: () => Promise<void>, timeout: number): Promise<string | undefined> {
  const { promise: silence, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, timeout, `no answer within ${timeout} ms`)
  try {
    return await Promise.race([probe().then(() => undefined), silence])
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).name
  } finally {
    clearTimeout(timer)
  }
}
