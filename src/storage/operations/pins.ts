import type { Pin, PinList } from '../../ports/operations.ts'
import type { ListCopy } from '../../ports/time.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ImagePattern } from '../../oci/image-pattern.ts'
import { inSlices } from '../index/in-slices.ts'
import { closureOf } from './content-walk.ts'
import { eachImage } from './images/image-rows.ts'
import { pinnedBy } from './pinned-by.ts'
import type { Query, Statements } from '../index/sql.ts'
import { timeBetween } from '../../util/time-between.ts'

export interface Pins extends PinList, ListCopy<Required<Pin>> {
  /** The content of pinned images, at most a few seconds old. Newer content is not evicted first anyway. */
  content(): Promise<ReadonlySet<Digest>>
}

export interface PinsOptions {
  readonly query: Query
  readonly transact: Query
  readonly configured: readonly ImagePattern[]
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Milliseconds. */
const FRESH = 5_000
/** Finding the content of many pins takes seconds. It is not done again for this many times as long. */
const PAUSE = 20
const NOTHING: ReadonlySet<Digest> = new Set()

export function pins({ query, transact, configured, now }: PinsOptions): Pins {
  let known: { readonly content: Promise<ReadonlySet<Digest>>; readonly at: number; keep: number } | undefined

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
    async replace(pins) {
      await transact((sql) => {
        const kept = new Set(pins.map(({ pattern }) => pattern))
        for (const { pattern } of sql.pins.all()) if (!kept.has(String(pattern))) sql.removePin.run(pattern!)
        for (const { pattern, addedAt } of pins) sql.addPin.run(pattern, addedAt!)
      })
      known = undefined
    },
    async content() {
      const age = known === undefined ? Infinity : timeBetween(now(), known.at)
      if (known === undefined || age > known.keep) {
        const content = collect()
        const entry = { content, at: now(), keep: FRESH }
        known = entry
        const start = performance.now()
        content.then(
          () => (entry.keep = Math.max(FRESH, PAUSE * (performance.now() - start))),
          () => {},
        )
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
    return inSlices(query, function* (sql) {
      if (!hasPins(sql)) return NOTHING
      const isPinned = pinnedBy(sql, configured)
      const manifests = new Set<Digest>()
      yield* eachImage(sql, (image) => {
        if (image.storedAt !== undefined && isPinned(image)) manifests.add(image.digest)
      })
      return yield* closureOf(sql, manifests)
    })
  }

  function hasPins(sql: Statements): boolean {
    return configured.length > 0 || sql.pins.get() !== undefined
  }
}
