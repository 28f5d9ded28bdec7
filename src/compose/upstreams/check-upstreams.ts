import { pino } from 'pino'
import type { Config } from '../../config/load-config.ts'
import { causeOf } from '../../observe/cause.ts'
import { loginAdvice } from '../../observe/login-advice.ts'
import { upstreamWatch } from '../../observe/upstream-watch.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { Upstream } from '../../ports/upstream.ts'
import { loopGuard } from '../../util/loop-guard.ts'
import { watchedUpstreams } from '../observation.ts'
import { buildUpstreams } from './upstreams.ts'

/** What one upstream answered when it was asked. */
export interface UpstreamCheck {
  readonly name: string
  readonly isUsable: boolean
  /** A clause that follows the name. */
  readonly said: string
  readonly advice?: string
}

type Problem = Pick<UpstreamCheck, 'said' | 'advice'>

/** That it does not exist is an answer. */
const [REPOSITORY, TAG] = ['library/entrepot-check', 'latest']

/**
 * Asks each upstream once with each of its credentials, all upstreams at the same time: whether it answers,
 * over TLS that is trusted, and takes the credentials.
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
  const checks = [...upstreams.byName.values()].flatMap(({ name, endpoints }) => {
    const configured = config.upstreams[name]!
    return endpoints.map((endpoint, i) => {
      const { credentials = [] } = configured.endpoints?.[i] ?? configured
      const patterns = credentials.map(({ match }) => match)
      return checkOne(endpoint, configured.offline === true, patterns)
    })
  })
  return await Promise.all(checks)

  async function checkOne(
    upstream: Upstream,
    isOffline: boolean,
    patterns: readonly string[],
  ): Promise<UpstreamCheck> {
    const { name } = upstream
    if (isOffline) return { name, isUsable: true, said: 'is offline, and was not asked' }
    for (const pattern of [undefined, ...patterns]) {
      const problem = await problemOf(upstream, pattern)
      if (problem !== undefined) return { name, isUsable: false, ...problem }
    }
    return { name, isUsable: true, said: accepted(name) }
  }

  /** Asks with the credentials of `pattern`; of the upstream itself without. */
  async function problemOf(upstream: Upstream, pattern: string | undefined): Promise<Problem | undefined> {
    const { name } = upstream
    try {
      await upstream.repository(pattern?.replaceAll(/\*+/g, 'entrepot-check') ?? REPOSITORY).resolve(TAG)
      return undefined
    } catch (error) {
      if (!isRegistryError(error)) throw error
      const { code, detail } = error
      const { cause, advice } = causeOf(name, code, detail)
      if (code !== 'UPSTREAM_DENIED') return { said: cause, advice }
      if (watch.view(name)?.credentials !== 'refused') return undefined
      const said = detail['at'] === undefined ? 'refuses the configured credentials' : cause
      return { said, advice: loginAdvice(name, pattern) }
    }
  }

  function accepted(name: string): string {
    return watch.view(name)?.credentials === 'accepted' ? 'answers, and accepts the credentials' : 'answers'
  }
}
