import type { Address } from '../../ports/repository.ts'

/** What one of the views of the past is asked for. */
export interface Viewed {
  readonly kind: 'asof' | 'run'
  /** The instant, or the name of the run, as it was written. */
  readonly text: string
  /** What is left of the address without the view. */
  readonly address: Address
}

export interface ViewNames {
  readonly kinds: readonly Viewed['kind'][]
  /** Hosts of views are `<text>.<kind>.<host>`. Omitted: none is. */
  readonly host?: string | undefined
}

/**
 * The view that an address names: in its host, or first in its path. A name that stops after the view is
 * none: it is a repository of two segments.
 */
export function viewIn(address: Address, { kinds, host: own }: ViewNames): Viewed | undefined {
  const { name, host } = address
  const bare = own === undefined ? undefined : host?.replace(/:\d+$/, '')
  for (const kind of kinds) {
    const ending = `.${kind}.${own}`
    if (bare?.endsWith(ending) === true) {
      return { kind, text: bare.slice(0, -ending.length), address: { ...address, host: undefined } }
    }
    if (!name.startsWith(`${kind}/`)) continue
    const start = kind.length + 1
    const end = name.indexOf('/', start)
    if (end < 0) continue
    return { kind, text: name.slice(start, end), address: { ...address, name: name.slice(end + 1) } }
  }
  return undefined
}
