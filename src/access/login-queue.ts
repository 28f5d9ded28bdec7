import { RegistryError } from '../oci/errors.ts'

/** Runs checks of passwords, one at a time. */
export interface LoginQueue {
  /**
   * Waits for its turn, and runs `check`.
   *
   * @param client whose checks are counted together
   * @param isKnown whether this client has logged in as this user before
   * @throws RegistryError TOOMANYREQUESTS
   */
  run(client: string, isKnown: boolean, check: () => Promise<boolean>): Promise<boolean>
}

/** Checks that wait, of all clients and of one. */
const MOST_WAITING = 32
const MOST_WAITING_BY_CLIENT = 4

interface Lane {
  readonly turns: (() => void)[]
  readonly waiting: Map<string, number>
  count: number
}

/**
 * Clients that have logged in before have a lane of their own, which goes first: whoever guesses, from
 * however many addresses, fills the other one.
 */
export function loginQueue(): LoginQueue {
  const [known, unknown] = [lane(), lane()]
  let isBusy = false

  function next(): void {
    const turn = known.turns.shift() ?? unknown.turns.shift()
    isBusy = turn !== undefined
    turn?.()
  }

  return {
    async run(client, isKnown, check) {
      const own = isKnown ? known : unknown
      const ofClient = own.waiting.get(client) ?? 0
      if (own.count >= MOST_WAITING || ofClient >= MOST_WAITING_BY_CLIENT) {
        throw new RegistryError('TOOMANYREQUESTS', { reason: 'too many logins are being checked' })
      }
      enter(own, client)
      if (isBusy) await new Promise<void>((resolve) => own.turns.push(resolve))
      isBusy = true
      try {
        return await check()
      } finally {
        leave(own, client)
        next()
      }
    },
  }
}

function lane(): Lane {
  return { turns: [], waiting: new Map(), count: 0 }
}

function enter(lane: Lane, client: string): void {
  lane.count += 1
  lane.waiting.set(client, (lane.waiting.get(client) ?? 0) + 1)
}

function leave(lane: Lane, client: string): void {
  lane.count -= 1
  const left = lane.waiting.get(client)! - 1
  if (left === 0) lane.waiting.delete(client)
  else lane.waiting.set(client, left)
}
