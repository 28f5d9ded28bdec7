import type { UsedImage, UsedSince } from '../../ports/insight/drill.ts'
import { allOf } from '../index/in-slices.ts'
import type { IndexReader } from '../index/index-reader.ts'
import type { Statements } from '../index/sql.ts'
import { eachImage } from './images/image-rows.ts'

export interface UsedSinceOptions {
  readonly read: IndexReader['read']
  /** Writes the uses that are kept in memory to the index. */
  readonly flush: () => Promise<void>
}

export function usedSince({ read, flush }: UsedSinceOptions): UsedSince {
  return async (instant) => {
    await flush()
    const images: UsedImage[] = []
    for await (const page of read('used', instant)) images.push(...page)
    return images
  }
}

/** For the thread. */
export function usedImages(sql: Statements, instant: number): readonly UsedImage[] {
  const used: UsedImage[] = []
  allOf(
    eachImage(sql, ({ repository, tag, digest, lastUsed }) => {
      if (lastUsed >= instant) used.push({ repository, tag, digest })
    }),
  )
  return used
}
