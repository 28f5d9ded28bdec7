import type { Digest } from '../../oci/digest.ts'
import { isRegistryError, type RegistryError } from '../../oci/errors.ts'
import { imagePattern } from '../../oci/image-pattern.ts'
import { parseImageReference } from '../../oci/image-reference.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { EndpointOwners } from '../../ports/endpoint-owners.ts'
import type { TagEntry, TagHistory, TagPeek } from '../../ports/metadata.ts'
import type { Inspect, PinList } from '../../ports/operations.ts'
import type { Registry } from '../../ports/repository.ts'
import type { Held } from '../../ports/time.ts'
import type { RouteReport, Why } from '../../ports/insight/why.ts'
import type { Answers } from '../answers.ts'
import { upstreamReport } from '../status.ts'
import type { StoreWatch } from '../store-watch.ts'
import type { UpstreamWatch } from '../upstream-watch.ts'
import { answersOf, type AtEndpoints, ownerAmong } from './endpoints.ts'
import type { Facts, RepositoryView, TagFacts } from './facts.ts'
import { whyOf } from './report.ts'

/** `pattern`: that of the credentials; undefined: those of the upstream itself, if it has any. */
export interface LoginOf {
  readonly pattern: string | undefined
  readonly isConfigured: boolean
}

interface Configured {
  readonly url: string
  readonly aliases: readonly string[]
  /** Where it has several. */
  readonly endpoints?: readonly { readonly url: string }[]
}

export interface WhyOptions {
  readonly registry: Pick<Registry, 'find'>
  readonly upstreams: Pick<UpstreamWatch, 'view' | 'views'>
  readonly answers: Pick<Answers, 'of' | 'lastOf'>
  readonly store: Pick<StoreWatch, 'trouble'>
  readonly tags: TagPeek & TagHistory
  readonly inspect: Inspect
  readonly pins: Pick<PinList, 'list'>
  /** Which credentials of an upstream a repository is read with. */
  readonly loginOf: (repository: RepositoryName) => LoginOf
  /** How an upstream is configured. */
  readonly configured: (upstream: string) => Configured
  /** Which endpoint has answered for what. */
  readonly owners: Pick<EndpointOwners, 'get'>
  /** The second name by which its upstream is asked for a repository. */
  readonly otherName: (repository: RepositoryName) => RouteReport['rewrite'] | undefined
  /** Who may pull from a repository, in words. */
  readonly access: (repository: RepositoryName) => string
  readonly freshness: (
    repository: RepositoryName,
    tag: string,
    entry: TagEntry,
  ) => Pick<TagFacts, 'state' | 'ttl'>
  /** What is served of a tag that points to this digest, where it is another one. */
  readonly heldOf: (repository: RepositoryName, tag: string, digest: Digest) => Promise<Held | undefined>
  /** Milliseconds past its freshness that a tag is served in an outage. */
  readonly staleIfError: number
  /** Milliseconds without a use, or since the fetch, after which content is evicted. */
  readonly ttl: number
  readonly ttlFrom: 'use' | 'fetch'
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Explains a pull of an image without sending a request, and without counting as a use of it. */
export function createWhy(options: WhyOptions): (image: string) => Promise<Why | undefined> {
  const { registry, upstreams, answers, store, tags, inspect, pins, configured, access } = options
  const { loginOf, otherName, owners, freshness, heldOf, staleIfError, now } = options

  return async function why(text) {
    const parsed = parseImageReference(text)
    if (parsed === undefined) return undefined
    const { name, reference } = parsed
    const suffix = 'tag' in reference ? `:${reference.tag}` : `@${reference.digest}`
    const found = find(name)
    if (found === undefined) return unrouted(`${name}${suffix}`)
    if (isRegistryError(found)) return denied(found, suffix)
    const facts = await factsOf(found, name, reference, suffix)
    return whyOf(
      facts,
      options,
      upstreamReport(facts.upstream, answers.lastOf(found.upstream), upstreams.views()),
    )
  }

  /** The repository, or the error that a rule denies it with; undefined = no upstream. */
  function find(name: string): RepositoryName | RegistryError | undefined {
    try {
      return registry.find({ name })?.name
    } catch (error) {
      if (isRegistryError(error, 'DENIED')) return error
      throw error
    }
  }

  async function factsOf(
    repository: RepositoryName,
    written: string,
    reference: Facts['reference'],
    suffix: string,
  ): Promise<Facts> {
    const tag = 'tag' in reference ? await tagFacts(repository, reference.tag) : undefined
    const digest = 'digest' in reference ? reference.digest : (tag?.held ?? tag)?.digest
    return {
      image: `${repository.upstream}/${repository.name}${suffix}`,
      repository,
      reference,
      route: await routeOf(repository, written, reference),
      access: access(repository),
      upstream: viewFor(repository),
      tag,
      history: 'tag' in reference ? await tags.history(repository, reference.tag) : [],
      content: digest && (await inspect(digest)),
      pinnedBy: await pinOf(repository, reference, digest),
      answers: answers.of(repository.upstream, repository.name),
      byEndpoint: answersOf(answers, atEndpoints(repository)),
      storeTrouble: store.trouble,
      now: now(),
    }
  }

  async function tagFacts(repository: RepositoryName, tag: string): Promise<TagFacts | undefined> {
    const entry = await tags.peek(repository, tag)
    if (entry === undefined) return undefined
    const { state, ttl } = freshness(repository, tag, entry)
    const held = await heldOf(repository, tag, entry.digest)
    return { ...entry, state, ttl, servedUntil: now() + ttl * 1000 + staleIfError, held }
  }

  async function pinOf(
    repository: RepositoryName,
    reference: Facts['reference'],
    digest: Digest | undefined,
  ): Promise<string | undefined> {
    const tag = 'tag' in reference ? reference.tag : undefined
    // A pin of a tag that was never seen keeps whatever it will point to.
    const image = { repository, tag, digest: digest ?? ('' as Digest) }
    return (await pins.list()).find(({ pattern }) => imagePattern(pattern).matches(image))?.pattern
  }

  function atEndpoints(repository: RepositoryName): AtEndpoints {
    const { upstream, name } = repository
    const other = otherName(repository)
    return {
      upstream,
      names: other ? [name, other.name] : [name],
      urls: (configured(upstream).endpoints ?? []).map(({ url }) => url),
    }
  }

  async function routeOf(
    found: RepositoryName,
    written: string,
    reference: Facts['reference'],
  ): Promise<RouteReport> {
    const { upstream, name: repository } = found
    const { url, aliases } = configured(upstream)
    const at = atEndpoints(found)
    const [first = ''] = written.split('/')
    const rule =
      first === upstream && written !== first
        ? `the name begins with ${upstream}`
        : aliases.includes(first)
          ? `${first} is an alias of ${upstream}`
          : 'the name has no registry, so defaultUpstream'
    return {
      upstream,
      url,
      repository,
      rule,
      endpoints: at.urls.length === 0 ? [url] : at.urls,
      owner: 'tag' in reference ? await ownerAmong(owners, at, reference.tag) : null,
      rewrite: otherName(found) ?? null,
    }
  }

  /** The upstream with the credentials that this repository is read with. */
  function viewFor(repository: RepositoryName): RepositoryView {
    const view = upstreams.view(repository.upstream)!
    const { pattern: login, isConfigured } = loginOf(repository)
    const shown = view.logins.get(login ?? '')
    const logins = new Map(shown && [[login ?? '', shown]])
    return { ...view, login, logins, credentials: shown ?? (isConfigured ? 'unused' : 'none') }
  }

  function report(upstream: string) {
    return upstreamReport(upstreams.view(upstream)!, answers.lastOf(upstream), upstreams.views())
  }

  function denied({ detail }: RegistryError, suffix: string): Why {
    const { rule, upstream: name, repository } = detail as Readonly<Record<string, string>>
    const [list = ''] = rule!.split(':')
    return {
      ...NOTHING,
      image: `${name}/${repository}${suffix}`,
      works: 'no',
      verdict: `fails: the configuration forbids it (upstreams.${name}.${rule})`,
      advice:
        list === 'deny'
          ? `remove the pattern from upstreams.${name}.deny if clients should have it`
          : `add ${repository} to upstreams.${name}.allow if clients should have it`,
      deniedBy: rule!,
      access: 'nobody',
      upstream: report(name!),
    }
  }
}

const NOTHING = {
  route: null,
  deniedBy: null,
  upstream: null,
  tag: null,
  history: [],
  stored: null,
  pinnedBy: null,
  evictedAt: null,
  pull: null,
  answers: [],
} as const satisfies Partial<Why>

function unrouted(image: string): Why {
  const [registry = ''] = image.split('/')
  return {
    ...NOTHING,
    image,
    works: 'no',
    verdict: `fails: no upstream is configured for ${registry}`,
    advice: `add ${registry} to upstreams`,
    access: 'nobody',
  }
}
