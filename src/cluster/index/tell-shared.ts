import type { Message } from './outbox.ts'
import type { SharedLinks } from './shared-links.ts'
import type { SharedTags } from './shared-tags.ts'

/** Writes what the other replicas are to know to the database. */
export function tellShared(
  links: Pick<SharedLinks, 'add'>,
  tags: Pick<SharedTags, 'set' | 'remove'>,
): (message: Message) => Promise<void> {
  return async (message) => {
    const { repository } = message
    if (message.kind === 'link') await links.add(repository, message.digest, message.mediaType)
    else if (message.kind === 'tag') await tags.set(repository, message.tag, message.entry)
    else await tags.remove(repository, message.tag, message.at)
  }
}
