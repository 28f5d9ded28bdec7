import { html } from 'hono/html'
import type { PlatformReport, Why } from '../../ports/insight/why.ts'
import { freshnessText, upstreamText, withoutUpstreamText } from '../../ports/insight/why-text.ts'
import { agoText, ageText, countText, instantText, sizeText } from '../../util/human.ts'
import { type Html, table } from './page.ts'

/** All that is known of one image, and what an operator may do with it. */
export function imagePage(why: Why, now: number): Html {
  const { image, verdict, works, advice, stored, history, answers, pinnedBy } = why
  const ago = (instant: string) => agoText(now - Date.parse(instant))
  return html`<p class="verdict ${works}">${verdict}</p>
    ${advice === null ? '' : html`<p>To do: ${advice}</p>`}
    <dl>
      ${facts(why, now).map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
    ${why.route === null ? '' : actions(image, pinnedBy)}
    <h2>Stored</h2>
    ${
      stored === null
        ? html`<p class="dim">Nothing.</p>`
        : table(
            'Platforms',
            ['Platform', 'State', 'Size', 'Digest'],
            stored.platforms.map((platform) => [
              platform.platform,
              partsText(platform),
              platform.state === 'missing' ? '-' : sizeText(platform.bytes),
              digestText(platform.digest),
            ]),
            { right: [2] },
          )
    }
    <h2>What the tag pointed to</h2>
    ${
      history.length === 0
        ? html`<p class="dim">Nothing is known.</p>`
        : table(
            'History of the tag',
            ['Since', 'Age', 'Digest'],
            history.map(({ at, digest }) => [instantText(at), ago(at), digestText(digest)]),
          )
    }
    <h2>Last answers of upstream for this repository</h2>
    ${
      answers.length === 0
        ? html`<p class="dim">None since the process began.</p>`
        : table(
            'Answers',
            ['When', 'Endpoint', 'Asked for', 'Answer', 'Took'],
            answers.map(({ at, endpoint, kind, reference, said, milliseconds }) => [
              ago(at),
              endpoint ?? '-',
              `${kind} ${reference?.slice(0, 19) ?? ''}`,
              said,
              `${milliseconds} ms`,
            ]),
            { right: [4], wide: [3] },
          )
    }`
}

function facts(why: Why, now: number): readonly (readonly [string, Html | string])[] {
  const { route, access, deniedBy, upstream, tag, pinnedBy, evictedAt, pull } = why
  const known: (readonly [string, Html | string] | undefined)[] = [
    route
      ? [
          'Route',
          `${route.upstream}, repository ${route.repository}, at ${route.endpoints.join(', then ')}: ${route.rule}`,
        ]
      : undefined,
    route?.rewrite
      ? [
          'Asked as',
          `${route.rewrite.name} ${route.rewrite.always ? 'instead' : 'for what is unknown or denied'}`,
        ]
      : undefined,
    ['Access', access],
    ['Policy', deniedBy === null ? 'allowed' : `denied by ${deniedBy}`],
    upstream ? ['Upstream', upstreamText(upstream, now)] : undefined,
    tag ? ['Tag', html`${digestText(tag.digest)} ${freshnessText(tag)}`] : undefined,
    tag?.coolDown
      ? [
          'Cool-down',
          html`${digestText(tag.coolDown.served)} is served until ${instantText(tag.coolDown.until)}`,
        ]
      : undefined,
    ['Kept', keptText(pinnedBy, evictedAt, now)],
    pull ? ['A pull now', pull.bytes ? `${pull.text}, ${sizeText(pull.bytes)}` : pull.text] : undefined,
    pull ? ['If upstream is down', withoutUpstreamText(pull)] : undefined,
  ]
  return known.filter((fact) => fact !== undefined)
}

function keptText(pinnedBy: string | null, evictedAt: string | null, now: number): string {
  if (pinnedBy !== null) return `pinned by ${pinnedBy}`
  if (evictedAt === null) return 'not stored'
  const left = Date.parse(evictedAt) - now
  return `not pinned; goes ${left > 0 ? `in ${ageText(left)}` : 'by the next sweep'} if nobody pulls it`
}

/** They need the script: each is a request to the admin API. */
function actions(image: string, pinnedBy: string | null): Html {
  return html`<div class="actions" data-script hidden>
      ${
        pinnedBy === null
          ? html`<button id="pin" data-pattern="${image}">Pin</button>`
          : html`<button id="unpin" data-pattern="${pinnedBy}">Unpin ${pinnedBy}</button>`
      }
      <button id="purge" class="danger" data-pattern="${image}">Purge…</button>
    </div>
    <dialog id="confirm" aria-label="Purge">
      <form method="dialog">
        <p></p>
        <p class="actions">
          <button class="danger" value="ok">Purge</button><button value="">Cancel</button>
        </p>
      </form>
    </dialog>`
}

function digestText(digest: string): Html {
  return html`<code>${digest}</code>
    <button data-copy="${digest}" data-script hidden aria-label="Copy ${digest}">Copy</button>`
}

function partsText({ state, parts, missing }: PlatformReport): string {
  if (state === 'missing') return 'not stored'
  if (state === 'whole') return `whole, ${countText(parts, 'part')}`
  return `${missing.length} of ${countText(parts, 'part')} missing`
}
