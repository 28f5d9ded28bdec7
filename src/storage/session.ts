import { randomUUID } from 'node:crypto'
import type { Query } from './index/sql.ts'
import { ignoreStorageError } from './storage-operation.ts'

const KEY = 'session'

/**
 * Marks the index with a new session, which no copy of it has.
 *
 * @returns the sessions that it was marked with before, and is now
 */
export async function beginSession(
  query: Query,
): Promise<{ readonly before: string | undefined; readonly session: string }> {
  const session = randomUUID()
  const before = await query((sql) => sql.getMeta.get(KEY)?.['value'])
  // A full disk prevents the mark. A copy of this index then looks like the index itself.
  await query((sql) => void sql.setMeta.run(KEY, session)).catch(ignoreStorageError)
  return { before: before === undefined ? undefined : String(before), session }
}
