import type { HappenedEvent } from '../../ports/insight/events.ts'
import { digestText, durationText } from '../../util/human.ts'

type Fields = Readonly<Record<string, unknown>>

const duration = (seconds: unknown): string => durationText(Number(seconds) * 1000)
const left = ({ remaining, limit }: Fields): string =>
  `${text(remaining)}${limit === undefined ? '' : ` of ${text(limit)}`} requests`

/** What is not here is told by its fields. */
const SENTENCES: Readonly<Record<string, (fields: Fields) => string>> = {
  'upstream.down': ({ upstream, said }) => `${text(upstream)} ${text(said)}; it gets no requests`,
  'upstream.up': ({ upstream, seconds }) => `${text(upstream)} is back after ${duration(seconds)}`,
  'credentials.refused': ({ upstream, said }) => `${text(upstream)} ${text(said)}`,
  'credentials.accepted': ({ upstream }) => `${text(upstream)} accepts the configured credentials again`,
  'limit.low': (fields) => `${text(fields['upstream'])} leaves ${left(fields)} until its limit`,
  'limit.restored': (fields) => `${text(fields['upstream'])} allows ${left(fields)} again`,
  'store.failing': ({ said }) => `${text(said)}; pulls pass through`,
  'store.recovered': ({ seconds }) => `the store works again after ${duration(seconds)}`,
  'image.stored': ({ image, digest }) => `${text(image)} is stored (${digestText(text(digest))})`,
  'image.evicted': ({ image, digest, reason }) =>
    `${text(image)} was evicted (${digestText(text(digest))}, ${text(reason)})`,
  'tag.moved': ({ image, from, to }) =>
    `${text(image)} moved from ${digestText(text(from))} to ${digestText(text(to))}`,
  quota: ({ said }) => text(said),
}

/** An event in words for a person. */
export function eventSentence({ id: _id, at: _at, type, ...fields }: HappenedEvent): string {
  const sentence = SENTENCES[type]
  return sentence?.(fields) ?? [type, ...Object.values(fields).map(text)].join(' ')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : String(value)
}
