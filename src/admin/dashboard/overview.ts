import { html } from 'hono/html'
import type {
  BucketReport,
  Status,
  TrafficHistory,
  UpstreamStatus,
  WebhookReport,
} from '../../ports/insight/insight.ts'
import type { SavedReport } from '../../ports/insight/savings.ts'
import { ageText, agoText, countText, durationText, instantText, sizeText } from '../../util/human.ts'
import type { HappenedEvent } from '../../ports/insight/events.ts'
import { eventSentence } from '../events/event-sentence.ts'
import { type Html, table } from './page.ts'
import { replicasSection } from './replicas.ts'
import { trafficSection } from './traffic.ts'
import { transfersTable } from './transfers.ts'

/** The state of everything on one page. `now`: epoch milliseconds. */
export function overview(
  status: Status,
  saved: SavedReport,
  history: TrafficHistory,
  events: readonly HappenedEvent[],
  now: number,
): Html {
  const { upstreams, store, bucket, traffic, transfers, webhooks, version, startedAt } = status
  const share = traffic.requests === 0 ? '-' : `${Math.round((traffic.hits / traffic.requests) * 100)} %`
  const cards: readonly Card[] = [
    ['Answered without upstream', share, `${traffic.hits} of ${countText(traffic.requests, 'request')}`],
    ['Requests upstream', String(traffic.upstreamRequests), `${sizeText(traffic.upstreamBytes)} received`],
    ['Sent to clients', sizeText(traffic.servedBytes), countText(traffic.errors, 'error')],
    ['Spared in 30 days', sizeText(saved.bytes), spared(saved)],
    [
      'Store',
      sizeText(store.bytes),
      `of ${sizeText(store.limitBytes)}, ${countText(store.objects, 'object')}`,
    ],
    ['Free on the disk', sizeText(store.freeBytes), `${sizeText(store.indexBytes)} index`],
    ...(bucket === null ? [] : [bucketCard(bucket, now)]),
  ]
  const troubles = [store.trouble, bucket?.trouble ?? null].filter((trouble) => trouble !== null)
  return html`<div data-live></div>
    <ul class="cards">
      ${cards.map(([name, value, more]) => html`<li><span>${name}</span><b>${value}</b><span class="dim">${more}</span></li>`)}
    </ul>
    ${troubles.map(({ said, advice }) => html`<p class="verdict no">${said}: ${advice}</p>`)}
    <h2>Traffic</h2>
    ${trafficSection(history)}
    <h2>Upstreams</h2>
    ${upstreamTable(upstreams, now)} ${webhooks.length === 0 ? '' : webhookTable(webhooks)}
    ${status.cluster === null ? '' : replicasSection(status.cluster, now)}
    <h2>Running downloads</h2>
    ${transfersTable(transfers)}
    <h2>What happened</h2>
    ${events.length > 0 ? '' : html`<p class="dim">Nothing yet: changes of state are listed here.</p>`}
    <ul id="events">
      ${events.toReversed().map((event) => html`<li>${happened(event)}</li>`)}
    </ul>
    <p class="dim">
      Entrepot ${version}, up ${ageText(now - Date.parse(startedAt))}. As JSON:
      <a href="api/v1/upstreams">state</a>, <a href="metrics">metrics</a>, <a href="readyz">readiness</a>.
    </p>`
}

type Card = readonly [name: string, value: string, more: string]

function bucketCard(report: BucketReport, now: number): Card {
  const { objects, bytes, keptBytes, limitBytes, sweptAt, waitingUploads, trouble } = report
  const waiting = waitingUploads === 0 ? '' : `, ${countText(waitingUploads, 'object')} not uploaded yet`
  const more = trouble === null ? waiting : `${waiting}. ${trouble.said}`
  if (objects === null || bytes === null || sweptAt === null)
    return ['Bucket', '-', `not counted yet, the first sweep does${more}`]
  const limit = limitBytes === null ? '' : `of ${sizeText(limitBytes)}, `
  const kept = keptBytes === null || keptBytes === 0 ? '' : `${sizeText(keptBytes)} kept, `
  const counted = `counted ${agoText(now - Date.parse(sweptAt))}`
  return ['Bucket', sizeText(bytes), `${limit}${countText(objects, 'object')}, ${kept}${counted}${more}`]
}

function happened(event: HappenedEvent): Html {
  return html`<time>${instantText(new Date(event.at).toISOString())}</time> ${eventSentence(event)}`
}

function spared({ requests, seconds }: SavedReport): string {
  const time = seconds === null ? '' : `, ${durationText(seconds * 1000)}`
  return `${countText(requests, 'request')}${time}`
}

const TONES = { up: 'good', limited: 'warn', out: 'bad', offline: 'dim' } as const

function upstreamTable(upstreams: readonly UpstreamStatus[], now: number): Html {
  return table(
    'Upstreams',
    ['Name', 'State', 'Said last', 'Since', 'Stored', 'Limit left', 'Credentials'],
    upstreams.map(({ name, state, since, storedBytes, limitBytes, rateLimit, credentials, said, advice }) => [
      name,
      html`<span class="${TONES[state]}">${state}</span>`,
      advice === null ? said : html`${said}<br /><span class="dim">${advice}</span>`,
      ageText(now - Date.parse(since)),
      `${sizeText(storedBytes)}${limitBytes === null ? '' : ` of ${sizeText(limitBytes)}`}`,
      rateLimit === null ? '-' : `${rateLimit.remaining} of ${rateLimit.limit ?? '?'}`,
      html`<span class="${credentials === 'refused' ? 'bad' : ''}">${credentials}</span>`,
    ]),
    { wide: [2] },
  )
}

const WEBHOOK_TONES = { up: 'good', failing: 'bad', unused: 'dim' } as const

function webhookTable(webhooks: readonly WebhookReport[]): Html {
  return html`<h2>Webhooks</h2>
    ${table(
      'Webhooks',
      ['Name', 'State', 'Said last', 'Delivered', 'Queued', 'Lost'],
      webhooks.map(({ name, state, delivered, queued, refused, failed, dropped, said, advice }) => [
        name,
        html`<span class="${WEBHOOK_TONES[state]}">${state}</span>`,
        advice === null ? said : html`${said}<br /><span class="dim">${advice}</span>`,
        String(delivered),
        String(queued),
        String(refused + failed + dropped),
      ]),
      { right: [3, 4, 5], wide: [2] },
    )}`
}
