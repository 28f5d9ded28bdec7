import { RegistryError } from '../../oci/errors.ts'
import { isRepositoryName } from '../../oci/reference.ts'
import type { Registry, Repository } from '../../ports/repository.ts'
import { type AsOfOptions, tagsAsOf } from './as-of.ts'
import { futureMistake, INSTANT_MUST, parseInstant } from '../../util/instant.ts'
import { repositoryInRun, type RunOptions } from './run.ts'
import { type Viewed, viewIn, type ViewNames } from './view-address.ts'

export interface ViewRegistryOptions extends ViewNames, AsOfOptions, RunOptions {
  /** What there is now. */
  readonly registry: Registry
}

/** Of the name of a run. */
const LONGEST_NAME = 128

/**
 * A registry with views of the past: `asof/<instant>/…` has the tags as they were seen then, `run/<name>/…`
 * has each tag as the run resolved it first. What is behind the view is found as without it, so routing, rules
 * and the right to read are those of today.
 */
export function viewRegistry(options: ViewRegistryOptions): Registry {
  const { registry, now } = options

  return {
    find(address) {
      const viewed = viewIn(address, options)
      if (viewed === undefined) return registry.find(address)
      const see = viewed.kind === 'asof' ? asOf(viewed.text) : inRun(viewed.text)
      const repository = registry.find(viewed.address)
      if (repository === undefined) throw notConfigured(viewed)
      return see(repository)
    },
  }

  function asOf(text: string): (repository: Repository) => Repository {
    const instant = parseInstant(text)
    if (instant === undefined) throw refused(text, `an instant ${INSTANT_MUST}`)
    const mistake = futureMistake(instant, now())
    if (mistake !== undefined) throw refused(text, `it ${mistake}`)
    return (repository) => ({ ...repository, tags: tagsAsOf(options, repository.name, instant) })
  }

  function inRun(name: string): (repository: Repository) => Repository {
    if (!isRepositoryName(name) || name.includes('/') || name.length > LONGEST_NAME)
      throw refused(name, 'the name of a run must be one component of a path, 128 characters at most')
    return (repository) => repositoryInRun(options, repository, name)
  }
}

function refused(text: string, reason: string): RegistryError {
  return new RegistryError('NAME_UNKNOWN', { view: text.slice(0, 300), reason })
}

function notConfigured({ address: { namespace, name } }: Viewed): RegistryError {
  const registry = namespace ?? name.split('/').findLast((segment, i) => i < 2 && segment.includes('.'))
  return new RegistryError('NAME_UNKNOWN', {
    ns: namespace,
    name,
    reason: `${registry} is not a configured upstream`,
  })
}
