import type { z } from 'zod'
import type { LoadedFile, LoadFile } from './files.ts'
import type { Issues } from './issues.ts'
import type { eventTargetSchema } from './schema/events-schema.ts'
import { webhookSecret } from './webhook-secret.ts'

type EventTargetEntry = z.output<typeof eventTargetSchema>

/** A receiver of events. */
export interface EventTarget extends Pick<EventTargetEntry, 'url' | 'types' | 'allowPrivate'> {
  readonly secret: string
  /** The file that it came from, if any. */
  readonly secretFile?: LoadedFile
}

/** Reads the secrets. Those with an issue are left out. */
export async function resolveEvents(
  entries: readonly EventTargetEntry[],
  issues: Issues,
  load: LoadFile,
): Promise<EventTarget[]> {
  const targets: EventTarget[] = []
  for (const [i, entry] of entries.entries()) {
    const target = await issues.collect(() => resolveTarget(i, entry, issues, load))
    if (target !== undefined) targets.push(target)
  }
  return targets
}

async function resolveTarget(
  i: number,
  { url, secret, secretFile: name, types, allowPrivate }: EventTargetEntry,
  issues: Issues,
  load: LoadFile,
): Promise<EventTarget> {
  const at = ['events', i]
  const rest = { url, ...(types && { types }), ...(allowPrivate !== undefined && { allowPrivate }) }
  if (secret !== undefined) {
    if (name !== undefined) throw issues.value([...at, 'secretFile'], 'cannot be combined with secret')
    return { ...rest, secret }
  }
  if (name === undefined)
    throw issues.key([...at, 'secretFile'], 'or secret is required: it signs what is sent')
  const secretFile = await load([...at, 'secretFile'], name)
  try {
    return { ...rest, secret: webhookSecret(secretFile.text), secretFile }
  } catch (error) {
    throw issues.value([...at, 'secretFile'], (error as Error).message)
  }
}
