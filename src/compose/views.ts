import type { Config } from '../config/load-config.ts'
import type { Registry } from '../ports/repository.ts'
import { viewRegistry, type ViewRegistryOptions } from '../time/views/view-registry.ts'

/** The registry with the views that are configured; without any it is the same. */
export function buildViews(
  { views: { asOf, run, host } }: Pick<Config, 'views'>,
  options: Omit<ViewRegistryOptions, 'kinds' | 'host'>,
): Registry {
  const kinds = [...(asOf ? (['asof'] as const) : []), ...(run ? (['run'] as const) : [])]
  if (kinds.length === 0) return options.registry
  return viewRegistry({ ...options, kinds, ...(host !== '' && { host }) })
}
