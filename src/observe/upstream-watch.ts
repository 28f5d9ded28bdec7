import type { ErrorDetail } from '../oci/errors.ts'
import type { UpstreamTelemetry } from '../ports/telemetry.ts'
import { timeBetween } from '../util/time-between.ts'
import { causeOf } from './cause.ts'
import type { Emit } from './events.ts'

/** `unused`: configured, and not asked for yet. */
export type CredentialState = 'none' | 'unused' | 'accepted' | 'refused'

/** What is known of an upstream as a whole. Instants are epoch milliseconds. */
export interface UpstreamAnswer {
  readonly at: number
  /** Of all answers of all upstreams: several come in one millisecond, and the clock may be set. */
  readonly number: number
  readonly kind: string
  /** Left out: there was no answer. */
  readonly status?: number | undefined
}

export interface UpstreamView {
  readonly name: string
  readonly state: 'up' | 'limited' | 'out' | 'offline'
  readonly since: number
  /** Why it is not up. */
  readonly said?: string
  readonly advice?: string
  /** As its last answer that told it. */
  readonly rateLimit?: {
    readonly remaining: number
    readonly limit?: number | undefined
    readonly isLow: boolean
    readonly at: number
  }
  /** `refused` while any of them is. */
  readonly credentials: CredentialState
  /** Of each of its credentials that was shown, by its pattern of repositories; `''`: its own. */
  readonly logins: ReadonlyMap<string, 'accepted' | 'refused'>
  /** Its last answer of all. */
  readonly last?: UpstreamAnswer
}

export interface UpstreamWatch {
  readonly telemetry: Pick<UpstreamTelemetry, 'answered' | 'circuit' | 'rateLimit' | 'credentials'>
  views(): readonly UpstreamView[]
  view(upstream: string): UpstreamView | undefined
  /** Begins to watch these, forgets others, and keeps what is known of those that are kept. */
  configure(upstreams: readonly WatchedUpstream[]): void
}

export interface WatchedUpstream {
  readonly name: string
  readonly hasCredentials: boolean
  /** It is never asked. */
  readonly isOffline?: boolean
  /** Whether it is the one that is watched already, and has not changed. */
  readonly isKept?: boolean
}

export interface UpstreamWatchOptions {
  readonly upstreams: readonly WatchedUpstream[]
  readonly emit: Emit
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** What is said of an upstream that is never asked. */
const OFFLINE = 'is offline: it is never asked'

/** Milliseconds: what turns to and fro is told once in this time. */
const QUIET = 60_000

/** Keeps the state of each upstream, and emits an event when it changes. */
export function upstreamWatch({ upstreams, emit, now }: UpstreamWatchOptions): UpstreamWatch {
  const views = new Map<string, UpstreamView>()
  let answers = 0
  const neverAsked = new Set<string>()
  const configure: UpstreamWatch['configure'] = (watched) => {
    const names = new Set(watched.map(({ name }) => name))
    for (const name of views.keys()) if (!names.has(name)) views.delete(name)
    neverAsked.clear()
    for (const { name, hasCredentials, isOffline, isKept } of watched) {
      if (isOffline === true) neverAsked.add(name)
      if (isKept === true && views.has(name)) continue
      const state =
        isOffline === true ? { state: 'offline' as const, said: OFFLINE } : { state: 'up' as const }
      views.set(name, {
        name,
        since: now(),
        credentials: hasCredentials ? 'unused' : 'none',
        logins: new Map(),
        ...state,
      })
    }
  }
  configure(upstreams)
  const told = new Map<string, number>()

  const isNews = (what: string): boolean => {
    const last = told.get(what) ?? -Infinity
    if (timeBetween(now(), last) < QUIET) return false
    told.set(what, now())
    return true
  }
  const change = (upstream: string, fields: Partial<UpstreamView>): void => {
    const view = views.get(upstream)
    if (view !== undefined) views.set(upstream, { ...view, ...fields })
  }

  return {
    configure,
    views: () => [...views.values()],
    view: (upstream) => views.get(upstream),
    telemetry: {
      answered: (upstream, kind, status) =>
        change(upstream, { last: { at: now(), number: ++answers, kind, status } }),
      circuit(upstream, state, reason) {
        const view = views.get(upstream)
        if (view === undefined || view.state === state || neverAsked.has(upstream)) return
        const { said: _said, advice: _advice, ...rest } = view
        const since = now()
        if (state === 'up') {
          views.set(upstream, { ...rest, state, since })
          emit('upstream.up', { upstream, seconds: Math.round((since - view.since) / 1000) })
          return
        }
        const { cause, advice: advised } = causeOf(upstream, codeOf(state, reason), reason ?? {})
        views.set(upstream, { ...rest, state, since, said: cause, advice: advised })
        emit('upstream.down', { upstream, state, said: cause })
      },
      rateLimit(upstream, remaining, { limit, isNearlyExhausted: isLow } = { isNearlyExhausted: false }) {
        const wasLow = views.get(upstream)?.rateLimit?.isLow ?? false
        change(upstream, { rateLimit: { remaining, limit, isLow, at: now() } })
        if (isLow === wasLow || !isNews(`limit ${upstream} ${isLow}`)) return
        emit(isLow ? 'limit.low' : 'limit.restored', { upstream, remaining, limit })
      },
      credentials(upstream, result, said = '', shown = { pattern: undefined, result }) {
        const view = views.get(upstream)
        const before = view?.credentials
        const login = shown.pattern ?? ''
        if (view !== undefined && view.logins.get(login) !== shown.result)
          change(upstream, { logins: new Map(view.logins).set(login, shown.result) })
        if (before === result) return
        change(upstream, { credentials: result })
        if (!isNews(`credentials ${upstream} ${result}`)) return
        if (result === 'refused') emit('credentials.refused', { upstream, said })
        else if (before === 'refused') emit('credentials.accepted', { upstream })
      },
    },
  }
}

/** The circuit tells why without the code of the error, which the state implies. */
function codeOf(state: 'limited' | 'out' | 'offline', reason: ErrorDetail | undefined) {
  if (state === 'limited') return 'UPSTREAM_LIMITED'
  return reason?.['reason'] === 'no answer in time' ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNAVAILABLE'
}
