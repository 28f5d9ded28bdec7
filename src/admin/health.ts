/** Why requests should not be sent here; empty = ready. */
export type Readiness = () => Promise<readonly string[]>

export interface ReadinessOptions {
  readonly isDraining: () => boolean
  /** Writes something to the store and removes it. */
  readonly probeStore: () => Promise<void>
  /** Milliseconds after which a silent store counts as broken. */
  readonly patience?: number
}

export function readiness({ isDraining, probeStore, patience = 2000 }: ReadinessOptions): Readiness {
  return async function ready() {
    const reasons: string[] = []
    if (isDraining()) reasons.push('draining')
    const failure = await failureOf(probeStore, patience)
    if (failure !== undefined) reasons.push(`the store is not writable: ${failure}`)
    return reasons
  }
}

/** A code like ENOSPC where there is one: the message would tell paths. */
async function failureOf(probe: () => Promise<void>, patience: number): Promise<string | undefined> {
  const { promise: silence, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, patience, `no answer within ${patience} ms`)
  try {
    return await Promise.race([probe().then(() => undefined), silence])
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).name
  } finally {
    clearTimeout(timer)
  }
}
