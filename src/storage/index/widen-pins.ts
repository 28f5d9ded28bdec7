import type { DatabaseSync } from 'node:sqlite'

/**
 * Keeps the meaning of pins stored before `*` stopped at a slash: `*` in the name of an image becomes `**`.
 * Tags and digests contain no slash, so a star in them keeps its meaning.
 */
export function widenPins(db: DatabaseSync): void {
  const pins = db.prepare('SELECT pattern, added_at AS addedAt FROM pins').all()
  const remove = db.prepare('DELETE FROM pins WHERE pattern = ?')
  const add = db.prepare('INSERT OR IGNORE INTO pins (pattern, added_at) VALUES (?, ?)')
  for (const { pattern, addedAt } of pins) {
    const text = String(pattern)
    remove.run(text)
    add.run(
      text.replace(NAME, (name) => name.replaceAll(/\*+/g, '**')),
      addedAt!,
    )
  }
}

/** The part before the tag and the digest: up to the last slash, and on to the next `:` or `@`. */
const NAME = /^(?:.*\/)?[^:@]*/s
