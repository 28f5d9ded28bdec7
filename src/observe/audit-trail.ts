import type { AuditEntry, AuditTrail } from '../ports/insight/audit.ts'
import type { Log } from './event-lines.ts'
import { timeBetween } from '../util/time-between.ts'

export interface AuditTrailOptions {
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Entries remembered, of less than 1 KiB each. */
const REMEMBERED = 1_000
/** Milliseconds in which the same thing again is counted, and no entry of its own. */
const TOGETHER = 60_000
/** Characters of what a client chose. */
const LONGEST = 300

/** Remembers the last entries, and writes each to the log. A client that guesses passwords fills neither. */
export function auditTrail({ log, now }: AuditTrailOptions): AuditTrail {
  const entries: AuditEntry[] = []

  return {
    record({ action, by, from, target, result }) {
      const at = new Date(now()).toISOString()
      const entry: AuditEntry = {
        at,
        action,
        by: by.slice(0, LONGEST),
        from: from.slice(0, LONGEST),
        target: target.slice(0, LONGEST),
        result: result.slice(0, LONGEST),
        times: 1,
      }
      const i = entries.findLastIndex((known) => isSame(known, entry))
      const known = entries[i]
      if (known !== undefined && timeBetween(now(), Date.parse(known.at)) < TOGETHER) {
        entries[i] = { ...known, times: known.times + 1 }
        return
      }
      entries.push(entry)
      if (entries.length > REMEMBERED) entries.shift()
      const { at: _at, times: _times, ...fields } = entry
      log[result === 'refused' ? 'warn' : 'info'](fields, 'audit')
    },
    list: () => entries.toReversed(),
  }
}

/** Only refused logins are counted together: each change is an entry of its own. */
function isSame(one: AuditEntry, other: AuditEntry): boolean {
  return (
    one.result === 'refused' &&
    other.result === 'refused' &&
    one.action === other.action &&
    one.by === other.by &&
    one.from === other.from &&
    one.target === other.target
  )
}
