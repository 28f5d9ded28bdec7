import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'

/**
 * Finds requests that come back to the proxy that sent them (RFC 9110 section 7.6.3). Upstream requests carry
 * a `Via` header that names this instance, behind the `Via` of the client request they are sent for.
 */
export interface LoopGuard {
  /** Whether a request with this `Via` header has passed this instance before. */
  isLoop(via: string): boolean
  /** Runs the work for a client request with this `Via` header. */
  run<T>(via: string, work: () => T): T
  /** The `Via` header of an upstream request that is sent now. */
  via(): string
}

/** Proxies of a client's `Via` header that are passed on, the last ones. */
const MOST = 20

/** One for each process. */
export function loopGuard(instance = randomBytes(8).toString('hex')): LoopGuard {
  const name = `entrepot-${instance}`
  const received = new AsyncLocalStorage<string>()
  const isOurs = new RegExp(`(?:^|[\\s,])${RegExp.escape(name)}(?:$|[\\s,])`)

  return {
    isLoop: (via) => isOurs.test(via),
    run(via, work) {
      const passed = proxiesIn(via)
      return passed === '' ? work() : received.run(passed, work)
    },
    via() {
      const before = received.getStore()
      return before === undefined ? `1.1 ${name}` : `${before}, 1.1 ${name}`
    },
  }
}

/** What follows the grammar of RFC 9110, without comments: clients write the header too. */
function proxiesIn(via: string): string {
  const proxies = via.split(',').map((proxy) => proxy.trim().replace(/\s*\(.*$/, ''))
  return proxies
    .filter((proxy) => /^(?:HTTP\/)?\d\.\d [\w.:-]{1,100}$/.test(proxy))
    .slice(-MOST)
    .join(', ')
}
