import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { adminListener } from './compose/listeners/admin-listener.ts'
import { describeProcess } from './compose/description.ts'
import type { Listening } from './compose/listeners/listening.ts'
import { openRegistryListener } from './compose/listeners/registry-listener.ts'
import type { Replication } from './compose/replication.ts'
import { runningConfig } from './compose/running-config.ts'
import { startSchedules } from './compose/schedules.ts'
import { redirects } from './compose/store/s3.ts'
import { storeLog } from './compose/store/store-log.ts'
import type { Config } from './config/load-config.ts'
import { buildMoving } from './moving.ts'
import { buildParts } from './parts.ts'
import { buildPushing } from './pushing.ts'
import { buildServing } from './serving.ts'
import { latest } from './util/async/latest.ts'
import type { Registry } from './ports/repository.ts'
import { loopGuard } from './util/loop-guard.ts'

export interface Entrepot {
  readonly registry: Pick<Listening, 'port' | 'url'>
  /** undefined when the configuration turns it off. */
  readonly admin: Pick<Listening, 'port' | 'url'> | undefined
  /** What it runs with, for the log. */
  describe(): Promise<object>
  /**
   * Goes over to another configuration. What runs is finished as it began.
   *
   * @returns the keys that have changed and hold after the next start
   */
  reload(next: Config): Promise<readonly string[]>
  /** Stops as the configuration says under `shutdown`, unless told otherwise. */
  stop(how?: Config['shutdown']): Promise<void>
  /** For a process that exits at once: ends the credential helpers, which would outlive it. */
  abandon(): void
}

/**
 * Builds the parts, hands them to each other, and listens. When one fails, those built before it are closed.
 *
 * @param env the environment of credential helpers, which also names the proxies to use
 * @param collectGarbage runs a minor garbage collection
 */
export async function entrepot(
  initial: Config,
  log: Logger,
  env: NodeJS.ProcessEnv = {},
  collectGarbage?: () => void,
): Promise<Entrepot> {
  const config = runningConfig(initial)
  await using starting = new AsyncDisposableStack()
  const loops = loopGuard()
  const ownPorts = new Set<number>()
  const connections = (): Promise<number> => registry.connections()
  const operators = starting.use(adminListener(initial, log))
  const parts = starting.use(
    await buildParts(config, {
      log,
      env,
      collectGarbage,
      loops,
      ownPorts: () => ownPorts,
      connections,
      waiting: (holder, { audit, telemetry }) =>
        operators.openWaiting(`waiting for the store, which ${holder} has open`, {
          audit,
          server: telemetry.server,
        }),
    }),
  )
  const { observed, disk, store, tracing } = parts
  const aboutStore = storeLog(log, initial.storage.minFree)
  aboutStore.check(await store.inventory.usage())

  let replication: Replication | undefined
  const released = (): void => replication?.released()
  const serve = async () => buildServing(config.current, parts, await parts.servedSince(), released)
  let serving = await serve()
  const schedules = starting.use(
    startSchedules(initial, { log, evictor: parts.evictor, verify: store.verify }),
  )

  const pushing = starting.use(
    buildPushing({ config, parts, serving: () => serving, env, loops, ownPorts: () => ownPorts, log }),
  )
  const moving = buildMoving({ config, parts, serving: () => serving, log })
  starting.use(moving.mirror)
  const { advise, audit, events, jobs, metrics } = observed
  const { requests: telemetry, server } = observed.telemetry
  const current: Registry = { find: (address) => serving.registry.find(address) }
  const registry = starting.use(
    await openRegistryListener(initial, {
      registry: current,
      search: latest(() => serving.search),
      telemetry,
      server,
      loops,
      advise,
      tracing: tracing?.requests,
      peers: parts.sharing?.access,
      mayRedirect: redirects(initial.storage),
      log,
    }),
  )
  replication = starting.use(pushing.replicate())
  let isDraining = false
  const admin = starting.use(
    await operators.open({
      metrics,
      server,
      upstreams: parts.upstreamNames,
      transfers: parts.transfers,
      history: disk.tags.history,
      operations: {
        catalogue: observed.evictions.tellPurges(store.catalogue),
        pins: store.pins,
        verify: store.verify,
      },
      audit,
      jobs,
      jobRoutes: [pushing.routes, ...moving.routes],
      events,
      insight: latest(() => serving.insight),
      time: latest(() => serving.time),
      rehearsals: parts.upstreams.rehearsals,
      now: parts.now,
      isDraining: () => isDraining,
      probeStore: () => store.probe(),
      details: () => (aboutStore.problem === undefined ? [] : [aboutStore.problem]),
    }),
  )
  for (const open of [registry, admin]) if (open) ownPorts.add(open.port)

  const resources = starting.move()
  return {
    registry,
    admin,
    describe: async () => describeProcess(config.current, await store.inventory.usage()),
    async reload(next) {
      const needRestart = config.change(next)
      log.level = config.current.log.level
      parts.configure()
      serving = await serve()
      registry.configure(config.current)
      await schedules.configure(config.current)
      replication?.configure(config.current)
      released()
      moving.mirror.configure(config.current)
      observed.reloaded(needRestart)
      return needRestart
    },
    async stop({ delay, grace } = config.current.shutdown) {
      isDraining = true
      if (delay > 0) await sleep(delay)
      await schedules[Symbol.asyncDispose]()
      await replication?.[Symbol.asyncDispose]()
      await moving.mirror[Symbol.asyncDispose]()
      await jobs[Symbol.asyncDispose]()
      await registry.close(grace)
      await resources.disposeAsync()
    },
    abandon: parts.upstreams.abandon,
  }
}
