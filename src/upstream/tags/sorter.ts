import { TagList } from '../../oci/tag-list.ts'
import { AT_ONCE, type PageReading, pageReading } from './page-reading.ts'
import type { ReadingThread } from '../body/reading-thread.ts'

/** Reads and sorts tag lists without holding the event loop. */
export interface TagSorter {
  /** Begins to read a page. */
  begin(): PageReading
  merge(lists: readonly TagList[]): Promise<TagList>
}

/**
 * Long lists are read on a thread: sorting the 12 MB of a large repository takes most of a second (SEC-73),
 * and is rare.
 */
export function tagSorter(thread: Pick<ReadingThread, 'begin'>): TagSorter {
  return {
    begin: () => pageReading(thread),
    async merge(lists) {
      const inOrder = TagList.concat(lists)
      if (inOrder !== undefined) return inOrder
      const size = lists.reduce((sum, { text }) => sum + text.length, 0)
      if (size <= AT_ONCE) return TagList.merge(lists)
      return thread.begin().merge(lists)
    },
  }
}
