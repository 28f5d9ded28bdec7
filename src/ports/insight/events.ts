/** A change of state, for people and their tools. Further fields depend on its type. */
export interface HappenedEvent {
  /** Counts from 1 in each process. */
  readonly id: number
  /** Epoch milliseconds. */
  readonly at: number
  readonly type: string
}

/** What became of an event that was to be sent to a webhook. */
export type WebhookResult =
  | 'delivered'
  /** The receiver answered with a status that no retry changes. */
  | 'refused'
  /** All attempts failed. */
  | 'failed'
  /** There was no room in the queue. */
  | 'dropped'

export interface WebhookTelemetry {
  /** `webhook`: its name in reports. */
  event(webhook: string, result: WebhookResult): void
  /** How many events wait, the one that is being sent included. */
  queued(webhook: string, count: number): void
}
