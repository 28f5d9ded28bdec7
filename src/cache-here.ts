import { pino } from 'pino'
import type { CacheHere } from './cli/client/with-push.ts'
import { runningConfig } from './compose/running-config.ts'
import type { Config } from './config/load-config.ts'
import { buildParts } from './parts.ts'
import { buildPushing } from './pushing.ts'
import { buildServing } from './serving.ts'
import { loopGuard } from './util/loop-guard.ts'

/** Opens the cache for a command, without listeners. @throws what `filesystemStore` throws */
export async function cacheHere(initial: Config, env: NodeJS.ProcessEnv): Promise<CacheHere> {
  await using starting = new AsyncDisposableStack()
  const config = runningConfig(initial)
  const log = pino({ level: 'silent' })
  const loops = loopGuard()
  const parts = starting.use(
    await buildParts(config, { log, env, loops, ownPorts: none, connections: async () => 0, waiting() {} }),
  )
  const serving = buildServing(config.current, parts, await parts.servedSince())
  const pushing = starting.use(
    buildPushing({ config, parts, serving: () => serving, env, loops, ownPorts: none, log }),
  )
  const resources = starting.move()
  return {
    push: pushing.push,
    upstreams: parts.upstreamNames(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

function none(): readonly number[] {
  return []
}
