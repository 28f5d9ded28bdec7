import type { UpstreamResponse } from '../requests.ts'
import type { ConnectionUse } from './connections.ts'

/** One attempt to get a response. */
export interface Attempt {
  readonly response: Promise<UpstreamResponse>
  readonly connection: ConnectionUse
  /** Ends the attempt, and its connection with it. */
  abandon(): void
}

export interface ReliableSendOptions {
  /** Starts the first attempt, on a kept connection if there is one. */
  readonly first: () => Attempt
  /** Starts another attempt on a new connection. Omitted for requests that must not be sent twice. */
  readonly second?: () => Attempt
  /** Milliseconds without a response after which the first attempt counts as silent. */
  readonly silence: number
  /** Called when the first attempt is silent. */
  readonly silent: () => void
  /** Called when the second attempt is answered before the first: the kept connections are dead. */
  readonly dead: () => void
}

/**
 * Sends a request, and sends it again on a new connection when a kept connection does not serve it: the other
 * side closes it just then, or it has died unnoticed because an address moved or a NAT forgot it (FR-38). A
 * new connection that is silent is not doubted: there it is the registry that is slow.
 */
export async function sendReliably(options: ReliableSendOptions): Promise<UpstreamResponse> {
  const { first: start, second, silence, silent, dead } = options
  const first = start()
  if (await settlesWithin(first.response, silence)) {
    return first.response.catch((error: unknown) => {
      if (second === undefined || !isCutOff(error)) throw error
      return second().response
    })
  }
  silent()
  if (second === undefined || first.connection.isReused !== true) return first.response
  const other = second()
  const winner = await Promise.any([answered(first), answered(other)]).catch(() => first)
  abandon(winner === first ? other : first)
  if (winner === other) dead()
  return winner.response
}

async function answered(attempt: Attempt): Promise<Attempt> {
  await attempt.response
  return attempt
}

/** Whether the promise resolves or rejects within so many milliseconds. */
function settlesWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const { promise: outcome, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, milliseconds, false)
  const settled = (): void => {
    clearTimeout(timer)
    resolve(true)
  }
  promise.then(settled, settled)
  return outcome
}

function abandon(attempt: Attempt): void {
  attempt.abandon()
  attempt.response.then(
    ({ body }) => body.destroy(),
    // Nobody waits for it any more.
    () => {},
  )
}

function isCutOff(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(String(error.code))
  )
}
