import { pino } from 'pino'
import type { Config } from '../config/load-config.ts'
import { causeOf } from '../observe/cause.ts'
import { upstreamWatch } from '../observe/upstream-watch.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { Upstream } from '../ports/upstream.ts'
import { loopGuard } from '../util/loop-guard.ts'
import { watchedUpstreams } from './observation.ts'
import { buildUpstreams } from './upstreams.ts'

/** What one upstream answered when it was asked. */
export interface UpstreamCheck {
  readonly name: string
  readonly isUsable: boolean
  /** A clause that follows the name. */
  readonly said: string
  readonly advice?: string
}

/** That it does not exist is an answer. */
const [REPOSITORY, TAG] = ['library/entrepot-check', 'latest']

/**
 * Asks each upstream once, all at the same time: whether it answers, over TLS that is trusted, and takes the
 * credentials.
 */
export async function checkUpstreams(
  config: Pick<Config, 'upstreams' | 'cache'>,
  env: NodeJS.ProcessEnv,
): Promise<readonly UpstreamCheck[]> {
  const watch = upstreamWatch({
    upstreams: watchedUpstreams(config.upstreams),
    emit() {},
    now: Date.now,
  })
  await using upstreams = buildUpstreams(config, {
    log: pino({ level: 'silent' }),
    telemetry: { ...watch.telemetry, denied() {}, received() {} },
    loops: loopGuard(),
    ownPorts: () => [],
    env,
  })
  return await Promise.all([...upstreams.byName.values()].map(checkOne))

  async function checkOne(upstream: Upstream): Promise<UpstreamCheck> {
    const { name } = upstream
    try {
      await upstream.repository(REPOSITORY).resolve(TAG)
    } catch (error) {
      if (!isRegistryError(error)) throw error
      const { code, detail } = error
      const isRefused = watch.view(name)?.credentials === 'refused'
      if (code !== 'UPSTREAM_DENIED' || isRefused) {
        // The registry itself, not a token service that has a name of its own.
        if (isRefused && detail['at'] === undefined) return refusedByRegistry(name)
        const { cause, advice } = causeOf(name, code, detail)
        return { name, isUsable: false, said: cause, advice }
      }
    }
    return { name, isUsable: true, said: accepted(name) }
  }

  function accepted(name: string): string {
    return watch.view(name)?.credentials === 'accepted' ? 'answers, and accepts the credentials' : 'answers'
  }
}

function refusedByRegistry(name: string): UpstreamCheck {
  const advice = `correct username and password of upstreams.${name}`
  return { name, isUsable: false, said: 'refuses the configured credentials', advice }
}
