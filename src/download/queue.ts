import { RegistryError } from '../oci/errors.ts'

/** They are read each time, for they may change. */
export interface QueueLimits {
  /** How many downloads may run at once. */
  readonly places: number
  /** How many may wait for a place. */
  readonly queueLength: number
  /** Milliseconds that one may wait. */
  readonly queueTimeout: number
}

export interface QueueOptions extends QueueLimits {
  readonly upstream: string
  /** Called with how many wait, each time that changes. */
  readonly changed?: (waiting: number) => void
}

/** Limits how many downloads of an upstream run at once. */
export interface Queue {
  /** How many wait. */
  readonly waiting: number
  /** Refuses a client that would be refused at once. @throws RegistryError TOOMANYREQUESTS */
  refuseIfFull(client: string | undefined): void
  /**
   * Waits for a place. The last eighth of them is for clients that have none, so that one client whose
   * downloads trickle does not keep the others waiting (SEC-80). The next place goes to the client that holds
   * the fewest, of those to the one whose turn is longest ago; a client's own requests are first come, first
   * served. In a full queue, the newest request of the client with the most gives way to a client with fewer.
   *
   * Disposing the place gives it to the next one.
   *
   * @param client whom the place counts for
   * @throws RegistryError TOOMANYREQUESTS when the queue is full or the wait too long; the signal's reason
   * when it aborts.
   */
  enter(client: string | undefined, signal?: AbortSignal): Promise<Disposable>
}

/**
 * The part of the longest wait by which waits differ: those that came together are not to be refused together,
 * and come again together.
 */
const SPREAD = 0.2

interface Waiting {
  proceed(): void
  refuse(): void
}

/** One client's share of the queue; forgotten when it holds nothing and does not wait. */
interface Client {
  readonly waiting: Set<Waiting>
  held: number
  /** The number of its last turn. */
  turn: number
}

export function queue(options: QueueOptions): Queue {
  const { upstream, changed = () => {} } = options
  const clients = new Map<string, Client>()
  let taken = 0
  let turns = 0
  let waiting = 0

  const clientOf = (name: string): Client => {
    const known = clients.get(name)
    if (known !== undefined) return known
    const client = { waiting: new Set<Waiting>(), held: 0, turn: 0 }
    clients.set(name, client)
    return client
  }
  const forgetIdle = (name: string, { held, waiting }: Client): void => {
    if (held === 0 && waiting.size === 0) clients.delete(name)
  }

  const take = (name: string): Disposable => {
    const client = clientOf(name)
    taken += 1
    turns += 1
    client.held += 1
    client.turn = turns
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (!isHeld) return
        isHeld = false
        taken -= 1
        client.held -= 1
        forgetIdle(name, client)
        // More than one, when there are more places than before.
        for (let first = next(); first !== undefined; first = next()) first.proceed()
      },
    }
  }

  const isFreeFor = (held: number): boolean => {
    const reserved = held === 0 ? 0 : Math.floor(options.places / 8)
    return taken < options.places - reserved
  }

  /** Who gets the next place, if there is one for anybody that waits. */
  const next = (): Waiting | undefined => {
    let chosen: Client | undefined
    for (const client of clients.values()) {
      if (client.waiting.size > 0 && (chosen === undefined || comesBefore(client, chosen))) chosen = client
    }
    return chosen && isFreeFor(chosen.held) ? chosen.waiting.values().next().value : undefined
  }

  /** The client that gives way in a full queue to a request of `client`. */
  const greedierThan = (client: Client): Client | undefined => {
    let greediest = client
    for (const one of clients.values()) if (one.waiting.size > greediest.waiting.size) greediest = one
    return greediest.waiting.size <= client.waiting.size + 1 ? undefined : greediest
  }

  const stateOf = (name: string): Client => clients.get(name) ?? { waiting: new Set(), held: 0, turn: 0 }

  const isFullFor = (client: Client): boolean =>
    waiting >= options.queueLength && greedierThan(client) === undefined

  /** Kept: to make it costs as much as to find out that the queue is full. */
  let fullError: RegistryError | undefined
  const full = (): RegistryError => {
    const { queueLength } = options
    if (fullError?.detail['queueLength'] !== queueLength) {
      fullError = new RegistryError('TOOMANYREQUESTS', { upstream, queueLength })
    }
    return fullError
  }

  const wait = (name: string, signal: AbortSignal | undefined): Promise<Disposable> =>
    new Promise((resolve, reject) => {
      const client = clientOf(name)
      const leave = () => {
        client.waiting.delete(own)
        forgetIdle(name, client)
        waiting -= 1
        changed(waiting)
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      const own = {
        proceed() {
          leave()
          resolve(take(name))
        },
        refuse() {
          leave()
          reject(full())
        },
      }
      const abort = () => {
        leave()
        reject(signal?.reason as Error)
      }
      const queueTimeout = Math.round(options.queueTimeout * (1 - SPREAD * Math.random()))
      const timer = setTimeout(() => {
        leave()
        reject(new RegistryError('TOOMANYREQUESTS', { upstream, waitedMilliseconds: queueTimeout }))
      }, queueTimeout)
      client.waiting.add(own)
      waiting += 1
      changed(waiting)
      signal?.addEventListener('abort', abort, { once: true })
    })

  return {
    get waiting() {
      return waiting
    },
    refuseIfFull(name = '') {
      const client = stateOf(name)
      if (!isFreeFor(client.held) && isFullFor(client)) throw full()
    },
    async enter(name = '', signal) {
      signal?.throwIfAborted()
      const client = stateOf(name)
      if (isFreeFor(client.held)) return take(name)
      if (isFullFor(client)) throw full()
      if (waiting >= options.queueLength) [...greedierThan(client)!.waiting].at(-1)?.refuse()
      return wait(name, signal)
    },
  }
}

function comesBefore(one: Client, other: Client): boolean {
  return one.held === other.held ? one.turn < other.turn : one.held < other.held
}
