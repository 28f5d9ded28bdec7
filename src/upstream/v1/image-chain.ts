import { excessIn } from '../../oci/manifest-json.ts'
import { limiter } from '../../util/async/limiter.ts'
import { parseJson, parseJsonObject } from '../../util/json-object.ts'
import { invalidAnswer } from '../failures.ts'
import type { WithTimeout } from '../net/with-timeout.ts'
import type { V1Requests } from './v1-requests.ts'

/** One image of a chain: what it adds to its parent. */
export interface ChainLink {
  readonly id: string
  /** Its JSON as the registry has it. */
  readonly json: string
}

export interface ChainOptions {
  readonly requests: V1Requests
  readonly withTimeout: WithTimeout
  readonly signal: AbortSignal
}

/** Docker let an image have 127 layers. */
const MOST_ANCESTORS = 255
/** Bytes of a list of ancestors: thousands too many, so that their number can be told. */
const LONGEST_ANCESTRY = 1024 * 1024
const ANCESTRY_LIMITS = { nesting: 2, values: 20_000 }
/** Bytes of the JSON of one image, and of all of a chain. */
const LONGEST_JSON = 256 * 1024
const LONGEST_CHAIN = 3 * 1024 * 1024
/** Objects within objects, and values, as the converter of schema 1 takes them. */
const LIMITS = { nesting: 64, values: 10_000 }
const AT_ONCE = 4

export function isImageId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

/**
 * The image and its ancestors, newest first.
 *
 * @throws RegistryError UPSTREAM_INVALID when they are no chain, or longer than an image can be
 */
export async function imageChain(
  repository: string,
  id: string,
  { requests, withTimeout, signal }: ChainOptions,
): Promise<readonly ChainLink[]> {
  const { upstream } = requests
  const invalid = (reason: string) => invalidAnswer(upstream, `image ${id.slice(0, 12)}: ${reason}`)
  const ask = async (of: string, what: string, limit: number): Promise<string> => {
    const path = `images/${of}/${what}`
    const text = await withTimeout(
      (signal) => requests.text(repository, 'manifest', path, { limit, signal }),
      signal,
    )
    if (text === undefined) throw invalid(`the registry has no ${what} of ${of.slice(0, 12)}`)
    return text
  }

  const ancestry = await ask(id, 'ancestry', LONGEST_ANCESTRY)
  const ids = excessIn(Buffer.from(ancestry), ANCESTRY_LIMITS) === undefined ? parseJson(ancestry) : undefined
  if (!Array.isArray(ids) || !ids.every(isImageId)) throw invalid('its ancestry is no list of ids')
  if (ids.length > MOST_ANCESTORS)
    throw invalid(`it has ${ids.length} ancestors, of which ${MOST_ANCESTORS} at most are read`)
  if (ids[0] !== id) throw invalid('its ancestry does not begin with it')
  if (new Set(ids).size < ids.length) throw invalid('its ancestry is a loop')

  let bytes = 0
  const inTurn = limiter(AT_ONCE)
  const failed = new AbortController()
  const link = async (of: string): Promise<ChainLink> => {
    failed.signal.throwIfAborted()
    const json = await ask(of, 'json', LONGEST_JSON)
    bytes += json.length
    if (bytes > LONGEST_CHAIN) throw invalid(`its JSON is longer than ${LONGEST_CHAIN} bytes`)
    const excess = excessIn(Buffer.from(json), LIMITS)
    if (excess !== undefined) throw invalid(`the JSON of ${of.slice(0, 12)} has ${excess}`)
    if (parseJsonObject(json)?.['id'] !== of)
      throw invalid(`the JSON of ${of.slice(0, 12)} is that of another image`)
    return { id: of, json }
  }
  const links = ids.map((each) => inTurn(() => link(each)))
  try {
    return await Promise.all(links)
  } finally {
    // The first that fails ends those that have not begun.
    failed.abort(invalid('another one failed'))
    await Promise.allSettled(links)
  }
}
