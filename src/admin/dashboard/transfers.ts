import { html } from 'hono/html'
import type { RunningTransfer } from '../../ports/insight/insight.ts'
import { sizeText } from '../../util/human.ts'
import type { Html } from './page.ts'

/** The running downloads, which the script keeps up to date. */
export function transfersTable(transfers: readonly RunningTransfer[]): Html {
  return html`<div
      id="transfers"
      class="scroll"
      role="region"
      aria-label="Running downloads"
      tabindex="0"
      ${hidden(transfers.length === 0)}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">Upstream</th>
            <th scope="col">Digest</th>
            <th scope="col">Progress</th>
            <th scope="col">Bytes</th>
            <th scope="col">Rate</th>
            <th scope="col">Clients</th>
          </tr>
        </thead>
        <tbody>
          ${transfers.map(row)}
        </tbody>
      </table>
    </div>
    <p id="no-transfers" class="dim" ${hidden(transfers.length > 0)}>No downloads are running.</p>`
}

function row({ upstream, digest, size, filled, bytesPerSecond, followers }: RunningTransfer): Html {
  const short = digest.slice(0, 19)
  return html`<tr>
    <td>${upstream}</td>
    <td><code>${short}</code></td>
    <td>
      <progress
        aria-label="progress of ${short}"
        max="${size ?? 1}"
        value="${size === undefined ? 0 : filled}"
      ></progress>
    </td>
    <td>${sizeText(filled)}${size === undefined ? '' : ` of ${sizeText(size)}`}</td>
    <td>${sizeText(bytesPerSecond)}/s</td>
    <td>${followers}</td>
  </tr>`
}

export function transfersPage(transfers: readonly RunningTransfer[]): Html {
  return html`<div data-live></div>
    ${transfersTable(transfers)}`
}

function hidden(isHidden: boolean): Html | string {
  return isHidden ? html` hidden` : ''
}
