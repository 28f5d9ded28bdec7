import { setTimeout as delay } from 'node:timers/promises'
import { jsonObject, parseJsonObject } from '../../util/json-object.ts'
import { untilAborted } from '../../util/async/until-aborted.ts'

/** Milliseconds. Clocks of realm and registry differ by as much, and so do replicas of a token store. */
const SETTLING = 700

/**
 * Waits for a token that was fetched just now and refused to become valid (harbor#15911,
 * docker/hub-feedback#647).
 *
 * @returns false at once when the token itself says that it grants nothing
 */
export async function settled(token: string, signal: AbortSignal | undefined): Promise<boolean> {
  if (grantsNothing(token)) return false
  // Node's own abort of a timer would be an error of no kind that callers know.
  await untilAborted(delay(SETTLING, undefined, { ref: false }), signal)
  return true
}

/** A JWT of distribution's token specification with an empty list of access. */
function grantsNothing(token: string): boolean {
  const payload = token.split('.')[1]
  const access =
    payload === undefined ? undefined : parseJsonObject(Buffer.from(payload, 'base64url'))?.['access']
  return Array.isArray(access) && !access.some((entry) => isNonEmpty(jsonObject(entry)?.['actions']))
}

function isNonEmpty(actions: unknown): boolean {
  return Array.isArray(actions) && actions.length > 0
}
