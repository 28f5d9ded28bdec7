import { excessIn } from '../oci/manifest-json.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import { jsonObject, type JsonObject, parseJsonObject } from '../util/json-object.ts'
import { InvalidImageError } from './invalid-image.ts'

/** The checked image JSON of one layer. */
export interface ImageLink {
  readonly json: JsonObject
  readonly history: HistoryEntry
  /** It says that it has no files. Otherwise the bytes of its layer decide. */
  readonly isEmpty: boolean
}

/** What the config of an image says of one layer: image-spec v1.1 config.md, `history`. */
export interface HistoryEntry {
  readonly created?: string
  readonly created_by?: string
  readonly author?: string
  readonly comment?: string
}

/** Images had 127 layers with files at most, and some without. */
export const MOST_LAYERS = 1_000
/** Bytes of all texts. A schema 1 manifest has no more. */
const LONGEST = 4 * 1024 * 1024
/** Of one text. Docker's own have less than a thousand values. */
const LIMITS = { nesting: 64, values: 10_000 }
/** RFC 3339. Clients refuse a config with another date. */
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/**
 * Reads the image JSON of every layer, newest first.
 *
 * @throws RegistryError UPSTREAM_INVALID: as many layers as texts are required, and texts within the limits
 */
export async function readChain({
  history,
  layers,
}: {
  readonly history: readonly string[]
  readonly layers: readonly unknown[]
}): Promise<readonly ImageLink[]> {
  if (history.length !== layers.length)
    throw new InvalidImageError(`it has ${layers.length} layers and the history of ${history.length}`)
  if (history.length === 0) throw new InvalidImageError('it has no layers')
  if (history.length > MOST_LAYERS)
    throw new InvalidImageError(
      `it has ${history.length} layers, of which ${MOST_LAYERS} at most are converted`,
    )
  const pause = yieldEvery()
  const chain: ImageLink[] = []
  let bytes = 0
  for (const [i, text] of history.entries()) {
    const body = Buffer.from(text)
    bytes += body.length
    if (bytes > LONGEST) throw new InvalidImageError(`its history is longer than ${LONGEST} bytes`)
    const excess = excessIn(body, LIMITS)
    if (excess !== undefined) throw new InvalidImageError(`history entry ${i} has ${excess}`)
    const json = parseJsonObject(body)
    if (json === undefined) throw new InvalidImageError(`history entry ${i} is not a JSON object`)
    chain.push({ json, history: historyOf(json), isEmpty: json['throwaway'] === true })
    await pause()
  }
  return chain
}

function historyOf({ created, author, comment, container_config: config }: JsonObject): HistoryEntry {
  const command = jsonObject(config)?.['Cmd']
  const words = Array.isArray(command) ? command.filter((word) => typeof word === 'string') : []
  return {
    ...(isDate(created) && { created }),
    ...(words.length > 0 && { created_by: words.join(' ') }),
    ...(isText(author) && { author }),
    ...(isText(comment) && { comment }),
  }
}

export function isDate(value: unknown): value is string {
  return typeof value === 'string' && DATE.test(value) && !Number.isNaN(Date.parse(value))
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
