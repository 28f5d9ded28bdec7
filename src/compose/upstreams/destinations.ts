import type { Logger } from 'pino'
import type { Config } from '../../config/load-config.ts'
import type { Destination } from '../../ports/moving/destination.ts'
import type { PushTarget } from '../../ports/moving/push.ts'
import { destinationClient } from '../../upstream/destination/destination-client.ts'
import { proxiesFrom } from '../../upstream/net/proxy-environment.ts'
import { systemTrust } from '../../upstream/net/trust-store.ts'
import type { LoopGuard } from '../../util/loop-guard.ts'

/** A destination that somebody uses. Disposing it closes it when nobody else does. */
export interface OpenDestination extends AsyncDisposable {
  readonly destination: Destination
}

export interface Destinations extends AsyncDisposable {
  /** The same one for the same registry and credentials, as long as somebody uses it. */
  open(target: PushTarget): OpenDestination
}

export interface DestinationsOptions {
  readonly log: Logger
  readonly env: NodeJS.ProcessEnv
  readonly loops: LoopGuard
  /** The ports of our own listeners. */
  readonly ownPorts: () => Iterable<number>
  /** What is configured of a registry that is an upstream too holds for it as a destination. */
  readonly upstreams: () => Config['upstreams']
}

interface Opened {
  readonly client: ReturnType<typeof destinationClient>
  users: number
}

/** Opens the registries that images are pushed to. */
export function buildDestinations({
  log,
  env,
  loops,
  ownPorts,
  upstreams,
}: DestinationsOptions): Destinations {
  const open = new Map<string, Opened>()
  const trust = systemTrust({
    env,
    failed: (err) => log.warn({ err }, 'reload failed, keeping the previous version'),
  })

  return {
    open(target) {
      const known = Object.values(upstreams()).find(({ url }) => new URL(url).origin === target.url)
      const tokenRealms = [...new Set([...(target.tokenRealms ?? []), ...(known?.tokenRealms ?? [])])]
      const settings = {
        url: target.url,
        credentials: target.credentials,
        tokenRealms,
        ca: target.ca ?? known?.ca?.text,
        insecure: known?.insecure,
      }
      const client = destinationClient({
        ...settings,
        systemTrust: trust,
        ownPorts,
        proxyFor: known?.proxy === undefined ? proxiesFrom(env) : proxiesFrom(env, known.proxy),
        via: loops.via,
      })
      const { url: _url, credentials: _credentials, ...rest } = settings
      const key = `${client.key} ${JSON.stringify(rest)}`
      const used = open.get(key) ?? { client, users: 0 }
      used.users += 1
      open.set(key, used)
      return {
        destination: used.client,
        async [Symbol.asyncDispose]() {
          used.users -= 1
          if (used.users > 0) return
          open.delete(key)
          await used.client.close()
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...open.values()].map(({ client }) => client.close()))
    },
  }
}
