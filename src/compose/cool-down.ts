import type { Config } from '../config/load-config.ts'
import { parseImagePattern } from '../oci/image-pattern.ts'
import { type CoolDown, coolDown, type CoolDownOptions } from '../time/cool-down.ts'

/** The configured cool-downs. */
export function buildCoolDown(
  { cache, upstreams }: Pick<Config, 'cache' | 'upstreams'>,
  options: Omit<CoolDownOptions, 'rules'>,
): CoolDown {
  const names = Object.keys(upstreams)
  return coolDown({
    ...options,
    rules: cache.coolDown.map(({ match, for: wait }) => ({ match: parseImagePattern(match, names)!, wait })),
  })
}
