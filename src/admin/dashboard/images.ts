import { html } from 'hono/html'
import { imageText } from '../../oci/image-pattern.ts'
import type { Image } from '../../ports/operations.ts'
import { agoText, countText, sizeText } from '../../util/human.ts'
import { IMAGE_ORDERS, type ImageOrder, inOrder } from '../../ports/image-order.ts'
import { type Html, imageLink, table } from './page.ts'

export interface ImagesView {
  /** As the reader wrote it. */
  readonly pattern: string
  /** Why the pattern is none. */
  readonly problem?: string | undefined
  readonly images: readonly Image[]
  readonly sort: ImageOrder
}

/** Images on one page. */
const SHOWN = 500

/** The stored images, with a search that works without a script. */
export function imagesPage({ pattern, problem, images, sort }: ImagesView, now: number): Html {
  const shown = inOrder(images, sort, SHOWN)
  const more = images.length > shown.length ? `, the first ${shown.length} are shown` : ''
  return html`<form class="filter" method="get" action="images">
      <label
        >Pattern <input name="pattern" value="${pattern}" placeholder="ghcr.io/org/**" size="30"
      /></label>
      <label
        >Sorted by
        <select name="sort">
          ${IMAGE_ORDERS.map((order) =>
            order === sort
              ? html`<option value="${order}" selected>${order}</option>`
              : html`<option value="${order}">${order}</option>`,
          )}
        </select></label
      >
      <button>Search</button>
    </form>
    <p class="${problem === undefined ? 'dim' : 'bad'}">
      ${problem ?? `${countText(images.length, 'image')}${more}`}
    </p>
    ${table(
      'Images',
      ['Image', 'Size', 'Only its own', 'Stored', 'Last use', 'Pulls', 'Notes'],
      shown.map((image) => [
        imageLink(imageText(image)),
        sizeText(image.size),
        sizeText(image.unshared),
        image.storedAt === undefined ? '-' : agoText(now - image.storedAt),
        agoText(now - image.lastUsed),
        String(image.hits),
        [...(image.isPinned ? ['pinned'] : []), ...(image.isVanishing ? ['vanishing'] : [])].join(', '),
      ]),
      { right: [1, 2, 5] },
    )}`
}
