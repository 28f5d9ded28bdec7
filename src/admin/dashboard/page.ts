import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { html, raw } from 'hono/html'
import { CHART_SCRIPT } from './chart-script.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'

/** A piece of a page. Values in it were escaped. */
export type Html = ReturnType<typeof html>

export interface Page {
  readonly title: string
  readonly content: Html
  /** The path of the page in the navigation. */
  readonly path: string
  readonly hasCharts?: boolean
}

const PAGES = [
  ['.', 'Overview'],
  ['images', 'Images'],
  ['transfers', 'Downloads'],
  ['savings', 'Savings'],
  ['audit', 'Audit'],
] as const

/** The changes of state that a page shows as they come. */
export const TYPES = [
  'upstream.down',
  'upstream.up',
  'credentials.refused',
  'credentials.accepted',
  'limit.low',
  'limit.restored',
  'store.failing',
  'store.recovered',
  'tag.moved',
  'quota',
]

/** Sends a page. Only its own style and script run, whatever names of images say. */
export async function sendPage(
  c: Context,
  { title, content, path, hasCharts = false }: Page,
): Promise<Response> {
  const nonce = randomBytes(16).toString('base64')
  c.header(
    'Content-Security-Policy',
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; ` +
      "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  )
  c.header('Referrer-Policy', 'no-referrer')
  c.header('Cache-Control', 'no-store')
  return c.html(
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>${title} · Entrepot</title>
          <style nonce="${nonce}">
            ${raw(STYLE)}
          </style>
          ${hasCharts ? html`<link rel="stylesheet" href="uplot.css" nonce="${nonce}" />` : ''}
        </head>
        <body data-types="${TYPES.join(' ')}">
          <header>
            <div>
              <strong>Entrepot</strong>
              <nav aria-label="Pages">
                ${PAGES.map(([to, name]) =>
                  to === path
                    ? html`<a href="${to}" aria-current="page">${name}</a>`
                    : html`<a href="${to}">${name}</a>`,
                )}
              </nav>
            </div>
          </header>
          <main>
            <h1>${title}</h1>
            ${content}
            <p id="said" role="status" aria-live="polite"></p>
          </main>
          <dialog id="login" aria-label="Admin token">
            <form method="dialog">
              <label>Admin token <input type="password" autocomplete="off" /></label>
              <p class="actions"><button value="ok">Log in</button><button value="">Cancel</button></p>
            </form>
          </dialog>
          ${hasCharts ? html`<script nonce="${nonce}" src="uplot.js"></script>` : ''}
          <script nonce="${nonce}">
            ${raw(hasCharts ? SCRIPT + CHART_SCRIPT : SCRIPT)}
          </script>
        </body>
      </html>`,
  )
}

export interface TableColumns {
  /** Columns of numbers. */
  readonly right?: readonly number[]
  /** Columns of text that may take several lines. */
  readonly wide?: readonly number[]
}

/** A table that scrolls by itself on a small screen. */
export function table(
  name: string,
  head: readonly string[],
  rows: readonly (readonly (Html | string)[])[],
  { right = [], wide = [] }: TableColumns = {},
): Html {
  const side = (i: number) => (right.includes(i) ? 'number' : wide.includes(i) ? 'wide' : '')
  return html`<div class="scroll" role="region" aria-label="${name}" tabindex="0">
    <table>
      <thead>
        <tr>
          ${head.map((text, i) => html`<th scope="col" class="${side(i)}">${text}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, i) => html`<td class="${side(i)}">${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

/** A link to the page of an image. */
export function imageLink(image: string): Html {
  const text = image.replace(/@sha256:([0-9a-f]{12})[0-9a-f]+$/, '@sha256:$1…')
  return html`<a href="image?image=${encodeURIComponent(image)}">${text}</a>`
}
