import { LRUCache } from 'lru-cache'
import type { EndpointOwners } from '../../ports/endpoint-owners.ts'

/** Things that are remembered. The one used longest ago goes first. */
const MOST = 10_000

/** For as long as the process lives. */
export function memoryOwners(): EndpointOwners {
  const owners = new LRUCache<string, string>({ max: MOST })
  return {
    get: async ({ upstream, name }, thing) => owners.get(`${upstream} ${name} ${thing}`),
    async set({ upstream, name }, thing, url) {
      owners.set(`${upstream} ${name} ${thing}`, url)
    },
  }
}
