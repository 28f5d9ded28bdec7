import { fileName, oneOf, secret, yesOrNo } from './scalars.ts'
import { list, section } from './section.ts'
import { webhookUrl } from './urls.ts'

/** What a webhook can be told of. */
export const EVENT_TYPES = [
  'image.stored',
  'image.evicted',
  'tag.moved',
  'upstream.down',
  'upstream.up',
  'credentials.refused',
  'credentials.accepted',
  'limit.low',
  'limit.restored',
  'quota',
  'store.failing',
  'store.recovered',
] as const

/** One receiver of events. */
export const eventTargetSchema = section({
  url: webhookUrl(),
  /** Signs what is sent. */
  secret: secret().optional(),
  /** A file that holds the secret. It is read again when it changes. */
  secretFile: fileName().optional(),
  /** Omitted: all. */
  types: list(oneOf(...EVENT_TYPES)).optional(),
  /** The name in the url may lead to a private address. Omitted: only if it is one itself. */
  allowPrivate: yesOrNo().optional(),
})
