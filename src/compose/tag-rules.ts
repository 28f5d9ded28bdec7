import type { Config } from '../config/load-config.ts'
import { type ImageName, parseImagePattern } from '../oci/image-pattern.ts'
import { type CoolDown, coolDown, type CoolDownOptions } from '../time/cool-down.ts'
import { upstreamNames } from '../oci/upstream-names.ts'

/** The configured cool-downs. */
export function buildCoolDown(
  { cache, upstreams }: Pick<Config, 'cache' | 'upstreams'>,
  options: Omit<CoolDownOptions, 'rules'>,
): CoolDown {
  const names = upstreamNames(Object.values(upstreams))
  return coolDown({
    ...options,
    rules: cache.coolDown.map(({ match, for: wait }) => ({ match: parseImagePattern(match, names)!, wait })),
  })
}

/** Whether a tag that upstream has deleted is served all the same; undefined = none is. */
export function keptWhenDeleted({
  cache,
  upstreams,
}: Pick<Config, 'cache' | 'upstreams'>): ((image: ImageName) => boolean) | undefined {
  const names = upstreamNames(Object.values(upstreams))
  const patterns = cache.keepDeleted.map((text) => parseImagePattern(text, names)!)
  return patterns.length === 0 ? undefined : (image) => patterns.some((pattern) => pattern.matches(image))
}
