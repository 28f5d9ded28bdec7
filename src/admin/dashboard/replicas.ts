import { html } from 'hono/html'
import type { ClusterReport } from '../../ports/insight/insight.ts'
import { ageText } from '../../util/human.ts'
import { type Html, table } from './page.ts'

/** Milliseconds after which one that was not heard of is shown as gone. Each tells of itself every half minute. */
const SILENT = 75_000

/** The replicas of the cluster. `now`: epoch milliseconds. */
export function replicasSection({ address, untold, replicas, trouble }: ClusterReport, now: number): Html {
  const waiting =
    untold === 0 ? '' : html`<p class="dim">${untold} changes were not told to the shared index yet.</p>`
  if (replicas === null) {
    const why = trouble === null ? '' : `: PostgreSQL ${trouble.said}`
    return html`<h2>Replicas</h2>
      <p class="verdict no">The shared index is away${why}. This is the replica ${address}.</p>
      ${waiting}`
  }
  return html`<h2>Replicas</h2>
    ${table(
      'Replicas',
      ['Address', 'Version', 'Up', 'Last seen', 'Downloads', 'Does for all'],
      replicas.map(({ version, startedAt, seenAt, leads, downloads, ...replica }) => {
        const silence = now - Date.parse(seenAt)
        return [
          replica.isOwn ? html`${replica.address} <span class="dim">(this one)</span>` : replica.address,
          version,
          ageText(now - Date.parse(startedAt)),
          html`<span class="${silence > SILENT ? 'bad' : ''}">${ageText(silence)}</span>`,
          String(downloads),
          leads.join(', ') || '-',
        ]
      }),
      { right: [4] },
    )}
    ${waiting}`
}
