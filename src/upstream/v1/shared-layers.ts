import type { V1Content } from '../../ports/v1-images.ts'
import { type Limiter, limiter } from '../../util/async/limiter.ts'
import { untilAborted } from '../../util/async/until-aborted.ts'

/** Layers of one endpoint and of one repository that are taken at once. */
export interface LayersAtOnce {
  readonly ofEndpoint: number
  readonly ofRepository: number
}

/** One taking per layer, however many images wait for it. */
export interface SharedLayers {
  /**
   * Joins the taking of this layer, or begins it. It ends when the last one leaves who waits for it: that one
   * of them fails for another reason does not end it for the rest.
   *
   * @throws what the work threw, or the reason of `signal`
   */
  take(
    repository: string,
    id: string,
    work: (signal: AbortSignal) => Promise<V1Content>,
    signal: AbortSignal,
  ): Promise<V1Content>
}

interface Taking {
  waiting: number
  readonly end: AbortController
  readonly result: Promise<V1Content>
}

export function sharedLayers({ ofEndpoint, ofRepository }: LayersAtOnce): SharedLayers {
  const running = new Map<string, Taking>()
  const inTurn = limiter(ofEndpoint)
  const repositories = new Map<string, { users: number; readonly inTurn: Limiter }>()

  return {
    async take(repository, id, work, signal) {
      const key = `${repository} ${id}`
      let taking = running.get(key)
      for (; taking?.end.signal.aborted === true; taking = running.get(key)) {
        // It lets go of what there is of the layer.
        await untilAborted(Promise.allSettled([taking.result]), signal)
      }
      signal.throwIfAborted()
      taking ??= begin(repository, key, work)
      taking.waiting += 1
      try {
        return await untilAborted(taking.result, signal)
      } finally {
        taking.waiting -= 1
        if (taking.waiting === 0 && signal.aborted) {
          taking.end.abort(signal.reason)
          await Promise.allSettled([taking.result])
        }
      }
    },
  }

  function begin(repository: string, key: string, work: (signal: AbortSignal) => Promise<V1Content>): Taking {
    const end = new AbortController()
    const left = Promise.withResolvers<never>()
    let hasBegun = false
    end.signal.addEventListener('abort', () => {
      if (!hasBegun) left.reject(end.signal.reason)
    })
    const task = async (): Promise<V1Content> => {
      end.signal.throwIfAborted()
      hasBegun = true
      return work(end.signal)
    }
    // Whoever leaves before its turn does not wait for that.
    const result = Promise.race([inTurnOf(repository, () => inTurn(task)), left.promise]).finally(() =>
      running.delete(key),
    )
    const taking = { waiting: 0, end, result }
    running.set(key, taking)
    return taking
  }

  async function inTurnOf<T>(repository: string, task: () => Promise<T>): Promise<T> {
    const own = repositories.get(repository) ?? { users: 0, inTurn: limiter(ofRepository) }
    repositories.set(repository, own)
    own.users += 1
    try {
      return await own.inTurn(task)
    } finally {
      own.users -= 1
      if (own.users === 0) repositories.delete(repository)
    }
  }
}
