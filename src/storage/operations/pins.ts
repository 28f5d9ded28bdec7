import type { Pin, PinList } from '../../ports/operations.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ImageName, ImagePattern } from '../../oci/image-pattern.ts'
import { contentOf, imageRows } from './image-rows.ts'
import { pinnedBy } from './pinned-by.ts'
import type { Query, Statements } from '../index/sql.ts'

export interface Pins extends PinList {
  /** Whether an image is pinned. */
  predicate(): Promise<(image: ImageName) => boolean>
  /** The content of pinned images, at most a few seconds old. Newer content is not evicted first anyway. */
  content(): Promise<ReadonlySet<Digest>>
}

export interface PinsOptions {
  readonly query: Query
  readonly configured: readonly ImagePattern[]
  /** Epoch milliseconds. */
  readonly now: () => number
}

const FRESH = 5_000
const NOTHING: ReadonlySet<Digest> = new Set()

export function pins({ query, configured, now }: PinsOptions): Pins {
  let known: { readonly content: Promise<ReadonlySet<Digest>>; readonly at: number } | undefined

  return {
    async list() {
      const added = (await query((sql) => sql.pins.all())) as unknown as Required<Pin>[]
      return [
        ...configured.map(({ text }) => ({ pattern: text })),
        ...added
          .filter(({ pattern }) => !isConfigured(pattern))
          .map(({ pattern, addedAt }) => ({ pattern, addedAt })),
      ]
    },
    async add({ text }) {
      if (isConfigured(text)) return false
      const { changes } = await query((sql) => sql.addPin.run(text, now()))
      known = undefined
      return changes > 0
    },
    async remove({ text }) {
      const { changes } = await query((sql) => sql.removePin.run(text))
      known = undefined
      return changes > 0
    },
    predicate: () => query((sql) => pinnedBy(sql, configured)),
    async content() {
      const age = known === undefined ? Infinity : Math.abs(now() - known.at)
      if (known === undefined || age > FRESH) {
        const content = collect()
        const entry = { content, at: now() }
        known = entry
        content.catch(() => {
          if (known === entry) known = undefined
        })
      }
      return known.content
    },
  }

  function isConfigured(pattern: string): boolean {
    return configured.some(({ text }) => text === pattern)
  }

  async function collect(): Promise<ReadonlySet<Digest>> {
    const isPinned = await query((sql) => (hasPins(sql) ? pinnedBy(sql, configured) : undefined))
    if (isPinned === undefined) return NOTHING
    return contentOf(query, (await imageRows(query)).filter(isPinned))
  }

  function hasPins(sql: Statements): boolean {
    return configured.length > 0 || sql.pins.get() !== undefined
  }
}
