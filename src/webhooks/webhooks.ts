import { randomBytes } from 'node:crypto'
import type { HappenedEvent } from '../ports/insight/events.ts'
import type { WebhookReport } from '../ports/insight/insight.ts'
import type { Webhook } from './webhook.ts'

/** A webhook to be, and what tells it from others. */
export interface WebhookPlan {
  /** The same as long as its configuration is. */
  readonly identity: string
  open(): Webhook
}

/** Tells all receivers of what happens. */
export interface Webhooks extends AsyncDisposable {
  /** Takes an event at once, and sends it later. */
  tell(event: HappenedEvent): void
  /** Keeps those of the same identity with their queues, closes others, and opens new ones. */
  configure(plans: readonly WebhookPlan[]): void
  reports(): readonly WebhookReport[]
}

/** @param replica which one tells it; undefined: there is one */
export function webhooks(plans: readonly WebhookPlan[], replica?: string): Webhooks {
  /** Ids of events begin anew with the process. */
  const instance = randomBytes(8).toString('hex')
  let open = new Map<string, Webhook>()
  const closing = new Set<Promise<unknown>>()

  const close = (webhook: Webhook): void => {
    const closed: Promise<unknown> = webhook[Symbol.asyncDispose]().finally(() => closing.delete(closed))
    closing.add(closed)
  }
  const configure: Webhooks['configure'] = (plans) => {
    const before = open
    open = new Map(plans.map(({ identity, open }) => [identity, before.get(identity) ?? open()]))
    for (const [identity, webhook] of before) if (!open.has(identity)) close(webhook)
  }
  configure(plans)

  return {
    tell(event) {
      let body: string | undefined
      for (const webhook of open.values()) {
        if (!webhook.wants(event)) continue
        body ??= bodyOf(event, replica)
        webhook.add(`msg_${instance}_${event.id}`, body)
      }
    },
    configure,
    reports: () => [...open.values()].map(({ report }) => report),
    async [Symbol.asyncDispose]() {
      for (const webhook of open.values()) close(webhook)
      open = new Map()
      await Promise.all(closing)
    },
  }
}

/** `{"type": "tag.moved", "timestamp": "…", "data": {…}}` */
function bodyOf({ id: _id, at, type, ...data }: HappenedEvent, replica: string | undefined): string {
  const told = { ...data, ...(replica !== undefined && { replica }) }
  return JSON.stringify({ type, timestamp: new Date(at).toISOString(), data: told })
}
