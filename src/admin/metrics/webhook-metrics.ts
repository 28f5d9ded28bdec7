import { Counter, Gauge, type Registry } from 'prom-client'
import type { WebhookTelemetry } from '../../ports/insight/events.ts'

const RESULTS = ['delivered', 'refused', 'failed', 'dropped'] as const

/** What becomes of the events that webhooks are told. There are as many webhooks as the configuration lists. */
export function webhookMetrics(register: Registry): WebhookTelemetry {
  const registers = [register]
  const events = new Counter({
    name: 'entrepot_webhook_events_total',
    help: 'Events for webhooks: delivered, refused by the receiver, failed in all attempts, or dropped.',
    labelNames: ['webhook', 'result'],
    registers,
  })
  const queue = new Gauge({
    name: 'entrepot_webhook_queue',
    help: 'Events that wait for a webhook.',
    labelNames: ['webhook'],
    registers,
  })
  return {
    event: (webhook, result) => events.inc({ webhook, result }),
    queued(webhook, count) {
      queue.set({ webhook }, count)
      // A counter that begins at 1 shows no increase.
      for (const result of RESULTS) events.inc({ webhook, result }, 0)
    },
  }
}
