import { html } from 'hono/html'
import type { TrafficHistory, TrafficPoint } from '../../ports/insight/insight.ts'
import { sizeText } from '../../util/human.ts'
import { type Html, table } from './page.ts'

const HOUR = 3_600_000
/** Hours in the table. */
const SHOWN = 24

/** What there was to do: charts where the script runs, and the same by hour as a table. */
export function trafficSection({ points }: TrafficHistory): Html {
  return html`<div id="traffic" data-script hidden>
      <figure>
        <figcaption>Requests a minute</figcaption>
        <div
          data-chart="requests"
          role="img"
          aria-label="Requests a minute; the table below has them by hour"
        ></div>
      </figure>
      <figure>
        <figcaption>Bytes a minute</figcaption>
        <div
          data-chart="bytes"
          role="img"
          aria-label="Bytes a minute; the table below has them by hour"
        ></div>
      </figure>
    </div>
    <details>
      <summary>By hour, as a table</summary>
      ${table(
        'Traffic by hour',
        [
          'Hour (UTC)',
          'Requests',
          'Without upstream',
          'Requests upstream',
          'Sent to clients',
          'From upstreams',
        ],
        byHour(points).map(({ at, requests, hits, upstreamRequests, servedBytes, upstreamBytes }) => [
          at.slice(0, 13).replace('T', ' '),
          String(requests),
          String(hits),
          String(upstreamRequests),
          sizeText(servedBytes),
          sizeText(upstreamBytes),
        ]),
        { right: [1, 2, 3, 4, 5] },
      )}
    </details>`
}

/** The sums of the last hours, the newest first. */
function byHour(points: readonly TrafficPoint[]): readonly TrafficPoint[] {
  const hours = Map.groupBy(points, ({ at }) => Math.floor(Date.parse(at) / HOUR))
  return [...hours.values()]
    .slice(-SHOWN)
    .toReversed()
    .map((hour) => hour.reduce(sum))
}

function sum(one: TrafficPoint, other: TrafficPoint): TrafficPoint {
  return {
    at: one.at,
    requests: one.requests + other.requests,
    hits: one.hits + other.hits,
    errors: one.errors + other.errors,
    servedBytes: one.servedBytes + other.servedBytes,
    upstreamRequests: one.upstreamRequests + other.upstreamRequests,
    upstreamBytes: one.upstreamBytes + other.upstreamBytes,
  }
}
