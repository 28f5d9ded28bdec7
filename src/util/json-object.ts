/**
 * A JSON object that is safe to look names up in: it has no prototype, so `constructor` and the like are
 * undefined unless the text has them, and it has no `__proto__`. Its values are as `JSON.parse` made them;
 * pass nested objects to `jsonObject` before looking names up in them.
 */
export type JsonObject = Readonly<Record<string, unknown>>

/**
 * Parses a text from outside.
 *
 * @returns undefined when it is not JSON, or not an object: arrays and `null` are not.
 */
export function parseJsonObject(text: string | Buffer): JsonObject | undefined {
  try {
    return jsonObject(JSON.parse(withoutMark(String(text))))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Parses a text from outside that may be any value. @returns undefined when it is not JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(withoutMark(text))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** RFC 8259 section 8.1: whoever parses JSON may ignore a byte order mark, which some servers write on Windows. */
function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}

/**
 * Parses a text that has to be a JSON object.
 *
 * @throws SyntaxError when it is not. The message does not quote the text, which may hold secrets.
 */
export function requireJsonObject(text: string | Buffer): JsonObject {
  const object = parseJsonObject(text)
  if (object === undefined) throw new SyntaxError('expected a JSON object')
  return object
}

/**
 * A parsed value as a safe object.
 *
 * @returns undefined when it is not an object: arrays and `null` are not.
 */
export function jsonObject(value: unknown): JsonObject | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const object = Object.assign(Object.create(null) as Record<string, unknown>, value)
  delete object['__proto__']
  return object
}
