import { html } from 'hono/html'
import type { AuditEntry } from '../../ports/insight/audit.ts'
import type { SavedReport, SavingsBy, SavingsReport } from '../../ports/insight/savings.ts'
import { durationText, instantText, sizeText } from '../../util/human.ts'
import { type Html, table } from './page.ts'

const NAMES: Readonly<Record<SavingsBy, string>> = {
  upstream: 'Upstream',
  repository: 'Repository',
  client: 'Client network',
  day: 'Day',
}
const BY: readonly SavingsBy[] = ['upstream', 'repository', 'client', 'day']

export function savingsPage({ by, since, total, rows }: SavingsReport): Html {
  return html`<p>
      By
      ${BY.map((each) =>
        each === by ? html`<strong>${each}</strong> ` : html`<a href="savings?by=${each}">${each}</a> `,
      )}
    </p>
    ${table(
      'Savings',
      [NAMES[by], 'Bytes', 'Requests', 'Rate limit', 'Time'],
      [...rows.map((row) => [row.name, ...cells(row)]), [`all since ${since}`, ...cells(total)]],
      { right: [1, 2, 3, 4] },
    )}
    <p class="dim">
      Requests that caused none upstream, and their bytes. Rate limit: GETs of manifests, which registries
      count. Time: at the rate at which the upstream sent others.
    </p>`
}

export function auditPage(entries: readonly AuditEntry[]): Html {
  if (entries.length === 0) return html`<p class="dim">Nothing was changed since the process began.</p>`
  return table(
    'Audit',
    ['When', 'What', 'Target', 'By', 'From', 'Result'],
    entries.map(({ at, action, target, by, from, result, times }) => [
      instantText(at),
      action,
      target,
      by,
      from,
      html`<span class="${result === 'refused' ? 'bad' : ''}"
        >${result}${times > 1 ? ` (${times} times)` : ''}</span
      >`,
    ]),
    { wide: [2, 5] },
  )
}

function cells({ bytes, requests, budget, seconds }: SavedReport): readonly string[] {
  return [
    sizeText(bytes),
    String(requests),
    String(budget),
    seconds === null ? '-' : durationText(seconds * 1000),
  ]
}
