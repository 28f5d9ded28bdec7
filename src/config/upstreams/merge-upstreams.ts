import type { Issues } from '../issues.ts'
import { type UpstreamEntries, type UpstreamEntry, upstreamSchema } from '../schema/upstream-schema.ts'
import { PUBLIC_REGISTRIES } from '../schema/public-registries.ts'
import { parseHost } from '../schema/scalars.ts'

/**
 * The upstreams that are given, beside the built-in ones that are neither given nor removed by `false`. The
 * keys are as they are written.
 */
export function mergeUpstreams(
  given: UpstreamEntries,
  withBuiltIn: boolean,
  issues: Issues,
): Readonly<Record<string, UpstreamEntry>> {
  const builtIn = new Map(withBuiltIn ? PUBLIC_REGISTRIES : [])
  const merged: [string, UpstreamEntry][] = []
  for (const [key, entry] of Object.entries(given)) {
    const name = parseHost(key) ?? key
    builtIn.delete(name)
    if (entry !== false) merged.push([key, entry])
    else if (!PUBLIC_REGISTRIES.has(name)) {
      const names = [...PUBLIC_REGISTRIES.keys()].join(', ')
      issues.add(issues.value(['upstreams', key], `only a built-in upstream can be removed: ${names}`))
    }
  }
  const others = [...builtIn].map(([name, registry]) => [name, upstreamSchema.parse(registry)] as const)
  return Object.fromEntries([...others, ...merged])
}
