/** What happened, for people and their tools: the log, the dashboard and webhooks. Never one per request. */

export interface EventFields {
  /**
   * It gets no requests: `out` because it cannot be reached or answers nobody, `limited` because it limits
   * us, `offline` because somebody wants it so.
   */
  'upstream.down': {
    readonly upstream: string
    readonly state: 'limited' | 'out' | 'offline'
    readonly said: string
  }
  /** It gets requests again, after so many seconds. */
  'upstream.up': { readonly upstream: string; readonly seconds: number }
  'credentials.refused': { readonly upstream: string; readonly said: string }
  'credentials.accepted': { readonly upstream: string }
  /** Less than a tenth of the rate limit is left. */
  'limit.low': { readonly upstream: string; readonly remaining: number; readonly limit?: number | undefined }
  'limit.restored': {
    readonly upstream: string
    readonly remaining: number
    readonly limit?: number | undefined
  }
  /** The store cannot keep content; pulls pass through. */
  'store.failing': { readonly operation: string; readonly said: string }
  'store.recovered': { readonly seconds: number }
  /** All of an image is in the store: of one platform, where there are several. */
  'image.stored': { readonly image: string; readonly digest: string }
  /** Its manifest is gone from the store. */
  'image.evicted': {
    readonly image: string
    readonly digest: string
    readonly reason: 'ttl' | 'quota' | 'purge'
  }
  /** The store is full: what was not used for longest is evicted for what comes. Told once an hour. */
  quota: { readonly said: string }
  'tag.moved': { readonly image: string; readonly from: string; readonly to: string }
}

export type EventType = keyof EventFields

export type ObservedEvent = {
  readonly [T in EventType]: {
    readonly id: number
    /** Epoch milliseconds. */
    readonly at: number
    readonly type: T
  } & EventFields[T]
}[EventType]

export type Emit = <T extends EventType>(type: T, fields: EventFields[T]) => void

/** Passes events on, and remembers the last ones. */
export interface EventHub {
  readonly emit: Emit
  /** The remembered events after this id, oldest first. */
  since(id: number): readonly ObservedEvent[]
  /** `listener` must not throw. Disposing ends it. */
  subscribe(listener: (event: ObservedEvent) => void): Disposable
}

/** Events remembered, of less than 1 KiB each. */
const REMEMBERED = 500

export function eventHub(now: () => number): EventHub {
  const listeners = new Set<(event: ObservedEvent) => void>()
  const last: ObservedEvent[] = []
  let id = 0

  return {
    emit(type, fields) {
      id += 1
      const event = { id, at: now(), type, ...fields } as unknown as ObservedEvent
      last.push(event)
      if (last.length > REMEMBERED) last.shift()
      for (const listener of listeners) listener(event)
    },
    since: (id) => last.filter((event) => event.id > id),
    subscribe(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
  }
}
