import type { TagPast } from '../ports/metadata.ts'
import type { ServedOf } from '../ports/time.ts'
import type { CoolDown } from './cool-down.ts'
import { changesUntil } from './views/as-of.ts'

/** Tells what a cool-down makes of the digest of an image. */
export function createServedOf({
  past,
  heldOf,
  servedThen,
}: TagPast & Pick<CoolDown, 'heldOf' | 'servedThen'>): ServedOf {
  return async ({ repository, tag, digest }, instant) => {
    if (tag === undefined) return digest
    if (instant === undefined) return (await heldOf(repository, tag, digest))?.digest ?? digest
    const changes = changesUntil(await past(repository, tag), instant)
    return changes.length === 0 ? digest : servedThen(repository, tag, changes, instant)
  }
}
